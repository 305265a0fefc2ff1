/* Devices of the rig that speak DTLS with the relay. Datagrams to them are sorted by address, so that
 * several stand on one rig; what comes for nobody stays for rig_device_got. */
#pragma once
#include "rig.h"

#define DEVICE_PORT 5684

/* A device, or what it was before it began anew: its session with the relay. */
struct rig_dtls;

/* Gives the listener "lan" a DTLS port, and the endpoint, which must be there, "NAME-lan" and a key. */
void rig_lan_secure(struct rig *r, const char *name);
/* A device at this address says its first hello, with the key of all; nothing is answered yet. With cid
 * it may be called, and calls, by a connection id. */
struct rig_dtls *rig_dtls_begin(struct rig *r, const char *from, const char *identity, bool cid);
/* The same, and the handshake goes on until nothing more comes. */
struct rig_dtls *rig_dtls(struct rig *r, const char *from, const char *identity);
/* Gives the listener "lan" a DTLS port that takes certificates of the tests' CA, and raw keys. */
void rig_lan_pki(struct rig *r);
/* A device with a certificate and key of the tests' PKI, or with raw ones, at this address; the handshake
 * goes on until nothing more comes. */
struct rig_dtls *rig_dtls_cert(struct rig *r, const char *from, const char *cert, const char *key);
struct rig_dtls *rig_dtls_raw(struct rig *r, const char *from, const char *name);
/* The same, of an endpoint that is there: it is up, and registers. Its WAN port is in r->port. */
struct rig_dtls *rig_dtls_register(struct rig *r, const char *from, const char *name);
void rig_dtls_free(struct rig_dtls *d);
/* Devices get what is on its way, and what they answer goes to the relay, until nothing more comes. */
void rig_lan_pump(struct rig *r);
/* The same once: how many datagrams reached devices. */
unsigned rig_lan_step(struct rig *r);
bool rig_dtls_is_up(const struct rig_dtls *d);
/* The relay's close_notify came. */
bool rig_dtls_is_closed(const struct rig_dtls *d);
/* Devices call this port of the gateway from now on. */
void rig_dtls_use_port(uint16_t port);
/* Uses another key than the relay knows, in handshakes that begin from now on. */
void rig_lan_wrong_key(struct rig *r, bool wrong);
/* The device sends a message, in hex. */
void rig_dtls_send(struct rig_dtls *d, const char *hex);
/* The last record that it sent comes once more, from this address. */
void rig_dtls_replay(struct rig_dtls *d, const char *from);
/* Its next records come from this address; answers to it are its own. */
void rig_dtls_move(struct rig_dtls *d, const char *from);
/* A record is made and lost. */
void rig_dtls_lose(struct rig_dtls *d, const char *hex);
/* Copies the last record that it made, and gives its length. */
size_t rig_dtls_last(const struct rig_dtls *d, uint8_t *bytes);
/* What the relay said before it was stopped reaches devices. */
void rig_lan_pump_stopped(struct rig *r);
/* Sessions of devices with the relay: handshakes under way, and those that are done. */
size_t rig_half_open(const struct rig *r);
size_t rig_proven(const struct rig *r);
/* The device sends RIG_SEND and is answered by its server, whose port is in r->port then. */
#define RIG_SEND coap(CON, "0.02", 10, "b2", "dp")
void rig_dtls_serve(struct rig *r, struct rig_dtls *d);
/* Sends close_notify. */
void rig_dtls_close(struct rig_dtls *d);
/* The next message that it got, in hex; "" for none. */
const char *rig_dtls_got(struct rig_dtls *d);
#define rig_expect_dtls(d, hex) ck_assert_str_eq(rig_dtls_got(d), hex)
