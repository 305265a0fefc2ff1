/* Keys and certificates in files: what is read, what is refused, and with which error. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dtls/dtls.h"
#include "dtls_suites.h"
#include "pki.h"

static const struct {
	const char *file;
	int rc;
} public_rows[] = {
	{ "device.pub", 0 },
	{ "device.pub.der", 0 },
	{ "device.key", 0 },
	{ "device.pkcs8", 0 },
	{ "device.pkcs8.der", 0 },
	{ "device.der", 0 },
	{ "device.half.der", 0 },
	{ "device.params", 0 },
	{ "device.pem", 0 },
	{ "device.cert.der", 0 },
	{ "device-inter.pem", 0 },
	{ "device-v1.pem", 0 },
	{ "p384.pub", -ENOTSUP },
	{ "p384.pub.der", -ENOTSUP },
	{ "p384.key", -ENOTSUP },
	{ "server-rsa.pem", -ENOTSUP },
	{ "device.locked", -EBADMSG },
	{ "device.locked8", -EBADMSG },
	{ "half.pem", -EBADMSG },
	{ "rsa.key", -EBADMSG },
};

START_TEST(a_public_key_stands_in_many_files)
{
	uint8_t spki[DTLS_SPKI_MAX];
	size_t n = 77;
	int rc = dtls_public_key_read(pki(public_rows[_i].file), spki, &n);
	ck_assert_msg(rc == public_rows[_i].rc, "%s: %d", public_rows[_i].file, rc);
	ck_assert_uint_eq(n, rc == 0 ? 91 : 0);
	if (rc == 0)
		ck_assert_mem_eq(spki, pki("device.pub.der").p, 91);
}
END_TEST

static const struct {
	const char *cert, *key;
	int rc;
} pair_rows[] = {
	{ NULL, "device.key", 0 },
	{ NULL, "device.pkcs8", 0 },
	{ NULL, "device.pkcs8.der", 0 },
	{ NULL, "device.half.der", 0 },
	{ NULL, "device.params", 0 },
	{ "device.pem", "device.key", 0 },
	{ "device.cert.der", "device.der", 0 },
	{ "device-inter.pem", "device.key", 0 },
	{ "device-short.pem", "device.key", 0 }, /* no dates */
	{ "server.pem", "device.key", -EKEYREJECTED },
	{ "inter.pem", "device.key", -EKEYREJECTED },
	{ "device.pem", "device.locked", -ENOKEY },
	{ "device.pem", "device.locked8", -ENOKEY },
	{ "device.pem", "device.pub", -ENOKEY },
	{ "device.pem", "device.pem", -ENOKEY },
	{ NULL, "rsa.key", -ENOKEY },
	{ "device.pem", "p384.key", -ENOTSUP },
	{ "server-rsa.pem", "device.key", -ENOTSUP },
	{ "half.pem", "device.key", -EBADMSG },
	{ "device.key", "device.key", -EBADMSG },
	{ "device.pub", "device.key", -EBADMSG },
};

START_TEST(a_pair_fits_or_it_is_said_why_not)
{
	struct dtls_pair pair = { .private_key = pki(pair_rows[_i].key) };
	if (pair_rows[_i].cert != NULL)
		pair.cert = pki(pair_rows[_i].cert);
	int rc = dtls_pair_check(&pair);
	ck_assert_msg(
		rc == pair_rows[_i].rc, "%s, %s: %d", pair_rows[_i].cert, pair_rows[_i].key, rc);
}
END_TEST

START_TEST(a_ca_file_holds_certificates_of_cas)
{
	static const struct {
		const char *file;
		int rc;
	} rows[] = { { "ca.pem", 0 }, { "ca.der", 0 }, { "both.pem", 0 }, { "oldca.pem", 0 },
		{ "notca.pem", -EINVAL }, { "device.pem", -EINVAL }, { "device-v1.pem", -EINVAL },
		{ "device-inter.pem", -EINVAL }, { "half.pem", -EBADMSG }, { "ca.key", -EBADMSG },
		{ "device.pub.der", -EBADMSG } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = dtls_ca_check(pki(rows[i].file));
		ck_assert_msg(rc == rows[i].rc, "%s: %d", rows[i].file, rc);
	}
	ck_assert_int_eq(dtls_ca_check((struct slice){ NULL, 0 }), -EBADMSG);
}
END_TEST

START_TEST(our_own_certificate_has_its_time)
{
	static const struct {
		const char *file;
		int64_t now;
		enum dtls_fault fault;
	} rows[] = { { "server.pem", PKI_NOW, DTLS_FAULT_NONE },
		{ "server-inter.pem", PKI_NOW, DTLS_FAULT_NONE },
		{ "server.pem", 0, DTLS_FAULT_NOT_YET_VALID },
		{ "server-inter.pem", 0, DTLS_FAULT_NOT_YET_VALID },
		{ "server.pem", (int64_t)1 << 40, DTLS_FAULT_EXPIRED },
		{ "device.cert.der", (int64_t)1 << 40, DTLS_FAULT_EXPIRED },
		{ "server-short.pem", PKI_NOW, DTLS_FAULT_EXPIRED },
		{ "half.pem", PKI_NOW, DTLS_FAULT_BAD } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(dtls_cert_dates(pki(rows[i].file), rows[i].now) == rows[i].fault,
			"%s at %lld", rows[i].file, (long long)rows[i].now);
}
END_TEST

/* A reader of whole files in every way: neither a byte too far, nor anything accepted. */
static void read_all(struct slice file)
{
	uint8_t spki[DTLS_SPKI_MAX];
	size_t n;
	struct dtls_pair pair = { file, file };
	(void)!dtls_public_key_read(file, spki, &n);
	(void)!dtls_pair_check(&pair);
	pair = (struct dtls_pair){ file, pki("device.key") };
	(void)!dtls_pair_check(&pair);
	(void)!dtls_ca_check(file);
}

static const char *const mangled[] = { "device.key", "device.der", "device.pub", "device.pub.der",
	"device.pkcs8.der", "device.cert.der", "ca.der", "both.pem" };

START_TEST(files_that_are_cut_or_altered_break_nothing)
{
	struct slice whole = pki(mangled[_i]);
	for (size_t k = 0; k < whole.n; k++) {
		uint8_t *exact = malloc(whole.n);
		memcpy(exact, whole.p, whole.n);
		exact[k] ^= (uint8_t)(1U << k % 8);
		read_all((struct slice){ exact, whole.n });
		free(exact);
		exact = malloc(k);
		if (k > 0)
			memcpy(exact, whole.p, k);
		read_all((struct slice){ exact, k });
		free(exact);
	}
}
END_TEST

Suite *file_suite(void)
{
	Suite *s = suite_create("dtls files");
	TCase *c = tcase_create("files");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, a_public_key_stands_in_many_files, 0,
		sizeof(public_rows) / sizeof(public_rows[0]));
	tcase_add_loop_test(
		c, a_pair_fits_or_it_is_said_why_not, 0, sizeof(pair_rows) / sizeof(pair_rows[0]));
	SUITE_TEST(s, our_own_certificate_has_its_time);
	SUITE_TEST(s, a_ca_file_holds_certificates_of_cas);
	tcase_add_loop_test(c, files_that_are_cut_or_altered_break_nothing, 0,
		sizeof(mangled) / sizeof(mangled[0]));
	suite_add_tcase(s, c);
	return s;
}
