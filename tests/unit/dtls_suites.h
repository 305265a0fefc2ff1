/* The suites of the room dtls, one a file. */
#pragma once
#include "suite.h"

Suite *header_suite(void);      /* check_header.c: the record header filter */
Suite *handshake_suite(void);   /* check_handshake.c: until the session is up */
Suite *records_suite(void);     /* check_records.c: after that */
Suite *record12_suite(void);    /* check_record12.c: records of our own, without a session */
Suite *leave_suite(void);       /* check_leave.c: sessions that have left wolfSSL */
Suite *listener_suite(void);    /* check_listener.c: what strangers get of a server */
Suite *device_suite(void);      /* check_device.c: sessions of the server role */
Suite *dtls13_suite(void);      /* check_dtls13.c: what is of DTLS 1.3 alone */
Suite *newest13_suite(void);    /* check_newest13.c: which record of DTLS 1.3 is the newest */
Suite *file_suite(void);        /* check_file.c: keys and certificates in files */
Suite *cert_suite(void);        /* check_cert.c: which servers are trusted */
Suite *cert_device_suite(void); /* check_cert_device.c: which devices are let in */
Suite *cert_wire_suite(void); /* check_cert_wire.c: the same, where datagrams are lost or altered */
Suite *scarce_suite(void);      /* check_scarce.c: when memory runs out */
