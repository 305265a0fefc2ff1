/* Every limit of the relay in one place (DESIGN.md 6, rule 15), with what happens when it is met. */
#pragma once

/* Limits are the relay's. The table of flows counts all workers' together (max_endpoints), as do the unproven
 * entries in it, Registers that wait for a former address, and lines of the log. Of what strangers may take besides, and of waiting messages, each worker has its share; of what
 * one host may take twice that, since the ports of a host do not fall evenly. */
#define LIMIT_SHARE(total, workers) (((total) + (workers) - 1) / (workers))
/* The same where all of them must not exceed it: some get one more than others, or none. */
#define LIMIT_PART(total, workers, number) ((total) / (workers) + ((number) < (total) % (workers)))
#define LIMIT_SHARE_OF_HOST(total, workers) ((workers) > 2 ? LIMIT_SHARE(2 * (total), workers) : (total))

/* Bytes of the largest datagram that is relayed; larger ones are dropped by name, never cut. */
#define UDP_ROOM 16640
/* LAN datagrams read by one system call, and answers sent by one. */
#define LAN_BATCH 64
/* Receive and send buffers of a LAN socket, bytes; the kernel's own limit is exceeded where allowed. */
#define LAN_SOCKET_BUFFER (4 * 1024 * 1024)
/* Receive buffer of a WAN socket, bytes. */
#define WAN_SOCKET_BUFFER (128 * 1024)
/* Datagrams read from one WAN socket by one wake-up, where so many answers are owed; else one. */
#define WAN_READS LAN_BATCH
/* Descriptors told by one wake-up. */
#define LOOP_EVENTS 256
/* Timers fired by one wake-up. */
#define LOOP_TIMERS 512

/* Reads of a full batch in a row after which a LAN socket's queue is looked at. */
#define LAN_PRESSED 4
/* Overload (overload.h) begins when a LAN socket's queue is so full, percent: messages are counted. 4,096 exchanges of
 * devices that wait for their answers fill up to 66, since the kernel counts a quarter of the room for longer than it
 * is taken; they shall lose nothing. */
#define OVERLOAD_FULL 50
/* Shares are made smaller while it is so full, percent; at once while it still fills. */
#define OVERLOAD_URGENT 75
/* Shares grow again below this, percent. */
#define OVERLOAD_EMPTY 25
/* Messages of a device are counted over so many ms; longer while they are less than so many a device on average, up to
 * so many ms. */
#define OVERLOAD_WINDOW_MS 20
#define OVERLOAD_SAMPLE 4
#define OVERLOAD_WINDOW_MAX_MS 500
/* Messages of either kind that a device may always send in one such time. */
#define OVERLOAD_FLOOR 2
/* A smaller share is made smaller once more no earlier, ms. */
#define OVERLOAD_PATIENCE_MS 100
/* And not while less than 1/this of what could be carried is: more comes than can even be dropped. */
#define OVERLOAD_LEAST 4
/* It is over when nothing was dropped for so long, ms. */
#define OVERLOAD_CALM_MS 1000
/* The log tells of it so often, ms. */
#define OVERLOAD_TELL_MS 10000

/* Addresses that a server had before and that devices may still call; the oldest is forgotten for a new
 * one, or after this, ms, in which no device registered or updated that calls it. */
#define SERVER_FORMER 8
#define SERVER_FORMER_MS (24 * 3600 * 1000LL)

/* Called addresses whose owners are remembered, and for how long, ms. */
#define CALLED_MEMOS 16
#define CALLED_MEMO_MS 60000
/* How often the kernel is asked for one, at once and a second: it costs some 14 us, and strangers choose
 * whom they call. */
#define CALLED_ASKS_BURST 1000
#define CALLED_ASKS_PER_SECOND 1000

/* DTLS sessions that an endpoint may have besides one by each listener, where one intercepts: each server that
 * it calls has its own. The oldest goes for a new one. */
#define SESSIONS_CALLED 4

/* Length of an endpoint name in bytes; a longer one is refused with 4.00. */
#define ENDPOINT_NAME_MAX 255
/* Length of a Location, "/rd/...", with its end; a longer one is not remembered. */
#define LOCATION_MAX 64

/* Messages that wait for one endpoint's association; a further one is dropped by name. */
#define HELD_PER_FLOW 8
/* Bytes of messages that wait for all associations together. */
#define HELD_BYTES_TOTAL (8 * 1024 * 1024)
/* The share of it for endpoints that no section names and no server has accepted: 1/this. */
#define HELD_STRANGER_SHARE 4
/* A waiting NON is dropped after this, ms (rule 9). */
#define HELD_NON_MS 10000
/* A waiting CON is dropped, or answered 5.04, after this, ms (rule 9). */
#define HELD_CON_MS 45000

/* Entries without a 2.01 of the server end after this, ms (rule 7). */
#define UNPROVEN_MS 60000
/* Unproven entries that one source address may have; a further Register gets 5.03. */
#define UNPROVEN_PER_SOURCE 32
/* A share of the table that unproven entries may fill: 1/UNPROVEN_SHARE. */
#define UNPROVEN_SHARE 2
/* Sources whose unproven entries are counted apart; further ones share one count. */
#define SOURCES_MAX 4096
/* Added to a registration's lifetime before its flow ends, s (rule 7; RFC 7252 EXCHANGE_LIFETIME). */
#define LIFETIME_GRACE_S 247
/* A flow without a registration ends when nothing passed for this long, ms. */
#define FLOW_IDLE_MS (24 * 3600 * 1000LL)

/* 4.04 answers to strangers, a second and listener (rule 1). Of more workers than that, some never answer. */
#define STRANGER_404_PER_SECOND 10
/* Other refusals of strangers (4.00, 4.03, 5.03), a second and listener. */
#define STRANGER_REFUSALS_PER_SECOND 50
/* Max-Age of a 5.03, s. */
#define BUSY_MAX_AGE_S 60

/* Handshakes of devices under way, of all strangers, as many again of all hosts that have a flow, and of one
 * host; the oldest has to go for a new one. */
#define HALF_OPEN_MAX 512
#define HALF_OPEN_PER_SOURCE 64
/* Handshakes that one host may begin at once, and a second: one with certificates costs 0.1 ms. */
#define HANDSHAKES_BURST 4096
#define HANDSHAKES_PER_SECOND 500
/* Hosts share this many budgets for it, by a secret hash. */
#define HANDSHAKE_BUDGETS 1024
/* A device's handshake ends after this, ms. */
#define HALF_OPEN_MS 60000
/* A device's session without a flow ends when nothing passed for this long, ms. */
#define SESSION_IDLE_MS 247000
/* The same for a device with a good certificate that no section names, ms: time for a refusal. */
#define STRANGER_SESSION_MS 10000
/* A listener's cookie secret is drawn anew after this, ms. */
#define COOKIE_MS 60000
/* Bytes of an identity that a log line may show. */
#define IDENTITY_SHOWN 8

/* Silence of the old address that lets an endpoint move, ms (rule 3). */
#define MOVE_SILENCE_MS 2000
/* Moves that may be waited for at the same time; a further Register waits for its next copy. */
#define MOVES_MAX 64

/* Records of one datagram that passes unended; one with more is junk. */
#define RECORDS_PER_DATAGRAM 64
/* Datagrams of an opaque endpoint from an address that its server has not answered by a protected
 * record, a second, and so many at once. */
#define OPAQUE_UNPROVEN_PER_SECOND 20
#define OPAQUE_UNPROVEN_BURST 60
/* Another address of an opaque device is tried so long, ms: answers go to both. */
#define OPAQUE_TRIAL_MS 10000
/* Bytes that it gets before the server has answered it. */
#define OPAQUE_TRIAL_BYTES (32 * 1024)
/* ClientHellos without any answer after which an opaque endpoint's server is sought at its next address, or
 * from another source port. */
#define OPAQUE_HELLOS 3

/* A CON that waited so long without a sign of the server starts a new handshake, ms (rule 10). */
#define SILENCE_MS 5000
/* The same, copies of one CON. */
#define SILENCE_COPIES 3
/* Flights without an answer after which a remembered source port is given up (rule 4). */
#define PORT_FLIGHTS 3
/* First and longest pause before an association is tried again, ms; doubled each time, with jitter. */
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LAST_MS 120000
/* After a server's alert or close_notify the new handshake waits up to this, ms, at random. */
#define RECONNECT_JITTER_MS 1000
/* New handshakes of restored or moved flows, a second. */
#define RESTORE_PER_SECOND 500
/* So many associations begin at once when a server's address is found; more are paced. */
#define RESTORE_BURST 64

/* Addresses of one server name that are kept. */
#define SERVER_ADDRESSES 8
/* A name that was found is looked up again after this, ms; one that was not, after the second. */
#define RESOLVE_AGAIN_MS 300000
#define RESOLVE_RETRY_MS 2000
/* The same after its last look-up while no association with it comes up, ms. */
#define RESOLVE_DOUBT_MS 10000
#define RESOLVE_RETRY_LAST_MS 60000

/* Pause after the last address or route event before sockets are looked at, ms (rule 20). */
#define MOVE_SOCKETS_AFTER_MS 300
/* The same, at most after the first of them: events may never stop. */
#define MOVE_SOCKETS_BY_MS 2000
/* Flows whose sockets are looked at by one wake-up. */
#define MOVE_SOCKETS_PER_WAKE 256

/* What a device's message ids, and our own Updates, are remembered for, ms (RFC 7252 EXCHANGE_LIFETIME). */
#define ASSIST_MEMORY_MS 247000
/* Our own Updates of one flow whose answers are known at the same time; a further one waits. */
#define ASSIST_EXCHANGES 4
/* An Update of ours is repeated first after this, and up to half of it more, ms, and so many times (RFC 7252 4.8). */
#define ASSIST_ACK_MS 2000
#define ASSIST_RETRANSMISSIONS 4
/* An answer that was announced by an empty ACK is waited for so long, ms (RFC 7252 MAX_TRANSMIT_WAIT). */
#define ASSIST_ANSWER_MS 93000
/* A device's own Update that is under way is waited for so long before ours, ms. */
#define ASSIST_YIELD_MS 10000
/* Without a free message id, or a free place, it is tried again after this, ms. */
#define ASSIST_AGAIN_MS 10000

/* Log lines of one kind that strangers can provoke: so many at once, and so many a second after that. */
#define NOTICE_BURST 20
#define NOTICE_PER_SECOND 1

/* Clients of the control socket at the same time, bytes of one request line, ms to send it. */
#define CONTROL_CLIENTS 16
#define CONTROL_LINE 4096
#define CONTROL_IDLE_MS 10000

/* How long a start of lwgate-net may take, ms; a predecessor that is just leaving is waited for. */
#define CAPTURE_START_MS 5000
