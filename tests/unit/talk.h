/* Sockets that talk to each other in a test: in one namespace, or over a cable between two. */
#pragma once
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include "udp.h"

/* Slots of the batch. */
#define SLOTS 64

/* The batch of the running test. */
extern struct udp_batch *batch;
/* The two namespaces of setup_pair. */
extern int here, there;

/* Reads an address; fails the test where there is none. */
struct addr at(const char *text);
/* Fails the test unless the address prints so. */
void is_addr(const struct addr *a, const char *text);
/* Waits until a datagram or an error is there; fails the test where none comes. */
void await(int fd);
/* True when nothing comes for a while: only where a repetition follows, never as a proof. */
bool is_quiet(int fd);
/* Opens sockets by the text of their addresses. */
int listen_at(const char *address, const char *interface);
int connect_at(const char *peer, uint16_t *port, bool *connected);
/* A connected socket that must be. */
int client(const char *peer);
/* Sends, or waits for, exactly this text on a connected socket. */
void send_text(int fd, const char *text);
void expect_text(int fd, const char *text);
/* Two namespaces, joined by eth0 (10.0.0.1 and 10.0.0.2, fd00::1 and fd00::2). */
void setup_pair(void);
/* Reads one datagram on a LAN socket and sends it back; gives the slot. */
struct udp_slot *bounce(int lan);
/* Calls a LAN socket at an address and hears the answer. A connected client hears it only from the
 * very address that it called, so this proves the source of the answer too. */
void call_and_hear(int lan, const char *called, const char *ip);
/* Adds a test that has a batch. */
void talk_test(Suite *suite, const TTest *test);
