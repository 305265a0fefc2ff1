/* The keys and certificates that tests/lib/pki made, and a clock for them. */
#pragma once
#include "base/cursor.h"

/* 2030: what is good is valid. */
#define PKI_NOW 1893456000

/* What pki_wall says; set it back to PKI_NOW. */
extern int64_t pki_now;
int64_t pki_wall(void);
/* The bytes of a file of that name; aborts when it is not there. They stay. */
struct slice pki(const char *name);
/* A public key file as SubjectPublicKeyInfo. It stays. */
struct slice pki_spki(const char *name);
