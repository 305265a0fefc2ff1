/* Words for what is wrong with a credential: of a peer in a handshake, or of ours in a file. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "dtls/dtls.h"

/* Ends the sentence "it was refused: ..."; NULL where the credential was not the reason. */
const char *reason_of_fault(enum dtls_fault fault);
/* True when the machine's clock, seconds since 1970, can not have been set: certificates will be refused. */
bool reason_clock_is_unset(int64_t wall_s);
/* Ends the sentence "... can not be used: ..." for what dtls_pair_check, dtls_ca_check or
 * dtls_public_key_read returned. */
const char *reason_of_file(int rc);
