/* Files of certificates and keys: what stands in them, who may touch them, and that they are wiped. */
#include "check_conf.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/secret.h"

#define PART(label, body) "-----BEGIN " label "-----\n" body "\n-----END " label "-----\n"

static const char cert[] = PART("CERTIFICATE", "AAAA");
static const char private_key[] = PART("PRIVATE KEY", "c2VjcmV0");
static const char public_key[] = PART("PUBLIC KEY", "AAAA");

/* ---- what stands there ---- */

static struct content find(const void *bytes, size_t n)
{
	struct content content;
	content_find(bytes, n, &content);
	return content;
}

static struct content find_text(const char *text)
{
	return find(text, strlen(text));
}

START_TEST(parts_are_counted_by_their_labels)
{
	struct content c = find_text(PART("CERTIFICATE", "AAAA") "words\n" PART("CERTIFICATE", "AA==")
			PART("PUBLIC KEY", "AAAA") PART("EC PARAMETERS", "AA"));
	ck_assert_uint_eq(c.certificates, 2);
	ck_assert_uint_eq(c.public_keys, 1);
	ck_assert_uint_eq(c.private_keys, 0);
	ck_assert_str_eq(c.label, "EC PARAMETERS");
	ck_assert(!c.broken && !c.nothing && !c.encrypted && !c.odd_key);
	c = find_text(PART("EC PARAMETERS", "AA") PART("EC PRIVATE KEY", "AA"));
	ck_assert_uint_eq(c.private_keys, 1);
	ck_assert(!c.odd_key);
	c = find_text(PART("EC PARAMETERS", "AA") PART("RSA PRIVATE KEY", "AA"));
	ck_assert(c.odd_key);
	ck_assert_str_eq(c.label, "RSA PRIVATE KEY");
}
END_TEST

START_TEST(line_ends_and_words_do_not_matter)
{
	ck_assert_uint_eq(find_text("Bag\r\n-----BEGIN CERTIFICATE-----\r\nAA\r\nBB \r\n"
		"-----END CERTIFICATE-----").certificates, 1);
	ck_assert_uint_eq(find_text("\xef\xbb\xbf" PART("CERTIFICATE", "AA")).certificates, 1);
	ck_assert_uint_eq(find_text("x -----BEGIN CERTIFICATE-----\n").certificates, 0);
	ck_assert(find_text("").nothing);
	ck_assert(find_text("words\n").nothing);
	ck_assert(find(NULL, 0).nothing);
}
END_TEST

START_TEST(a_damaged_part_is_found)
{
	static const char *const bad[] = { "-----BEGIN CERTIFICATE-----",
		"-----BEGIN CERTIFICATE-----\nAAAA\n", "-----BEGIN CERTIFICATE-----\nAA\n-----END X-----",
		PART("CERTIFICATE", ""), PART("CERTIFICATE", "A!A"), PART("CERTIFICATE", "A A"),
		"-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----",
		PART("CERTIFICATE", "AA") "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE----\n" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(find_text(bad[i]).broken, "%s", bad[i]);
	ck_assert(find("-----BEGIN CERTIFICATE-----\nA\0A\n-----END CERTIFICATE-----\n", 59).broken);
}
END_TEST

START_TEST(encrypted_keys_are_known_both_ways)
{
	ck_assert(find_text(PART("ENCRYPTED PRIVATE KEY", "AA")).encrypted);
	ck_assert(!find_text(PART("ENCRYPTED PRIVATE KEY", "AA")).odd_key);
	ck_assert(find_text(PART("EC PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: A,0\n\nAA"))
			.encrypted);
	ck_assert(!find_text(private_key).encrypted);
}
END_TEST

START_TEST(der_tells_keys_from_certificates)
{
	static const uint8_t pkcs8[] = { 0x30, 3, 2, 1, 0 };
	static const uint8_t spki[] = { 0x30, 7, 0x30, 3, 6, 1, 42, 3, 0 };
	static const uint8_t locked[] = { 0x30, 7, 0x30, 3, 6, 1, 42, 4, 0 };
	static const uint8_t x509[] = { 0x30, 0x81, 6, 0x30, 0x82, 0, 2, 0xa0, 0 };
	ck_assert_uint_eq(find(pkcs8, sizeof(pkcs8)).private_keys, 1);
	ck_assert_uint_eq(find(spki, sizeof(spki)).public_keys, 1);
	ck_assert(!find(spki, sizeof(spki)).encrypted);
	ck_assert_uint_eq(find(locked, sizeof(locked)).private_keys, 1);
	ck_assert(find(locked, sizeof(locked)).encrypted);
	for (size_t n = 1; n < sizeof(x509); n++)
		ck_assert(find(x509, n).broken);
	ck_assert(find(x509, sizeof(x509)).broken); /* what is signed is followed by a name */
	static const uint8_t whole[] = { 0x30, 0x81, 8, 0x30, 0x82, 0, 2, 0xa0, 0, 0x30, 0, 10 };
	ck_assert_uint_eq(find(whole, sizeof(whole) - 1).certificates, 1);
	ck_assert(find(whole, sizeof(whole)).broken); /* something stands behind it */
	ck_assert(find("0001020304050607", 16).broken); /* hex begins with the byte of a sequence */
	static const uint8_t long_length[] = { 0x30, 0x84, 0, 0, 0, 1, 0 };
	ck_assert(find(long_length, sizeof(long_length)).broken);
}
END_TEST

/* ---- files ---- */

static char dir[] = "/tmp/lwgate-blob.XXXXXX";
static const char *const files[] = { "conf", "ca", "cert", "key", "pub", "rows" };

static void make_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	fclose(f);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static const char all_files[] =
	"config server s\n\toption uri coaps://h\n\toption security x509\n\toption ca_file ca\n"
	"config server r\n\toption uri coaps://h\n\toption security rpk\n"
	"\toption server_key_file pub\n"
	"config listen l\n\toption coap 0\n\toption cert_file cert\n\toption private_key_file key\n"
	"\toption ca_file ca\n"
	"config endpoint\n\toption name e\n\toption server s\n\toption bootstrap_server r\n"
	"\toption cert_file cert\n\toption private_key_file key\n"
	"\toption lan_public_key_file pub\n";

static void make_files(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	make_file("conf", all_files, 0644);
	make_file("ca", PART("CERTIFICATE", "Y2E="), 0644);
	make_file("cert", cert, 0644);
	make_file("pub", public_key, 0444);
	make_file("key", private_key, 0600);
}

static void remove_files(void)
{
	char path[128];
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	ck_assert_int_eq(rmdir(dir), 0);
}

static struct conf *load_files(struct conf_faults *faults)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/conf", dir);
	return conf_load(path, faults);
}

static void expect_blob(const struct conf_blob *blob, const char *text)
{
	ck_assert_uint_eq(blob->n, strlen(text));
	ck_assert_str_eq((const char *)blob->bytes, text); /* a zero stands behind */
}

START_TEST(what_stands_in_the_files_arrives)
{
	struct conf_faults faults;
	make_files();
	struct conf *conf = load_files(&faults);
	ck_assert_ptr_nonnull(conf);
	ck_assert_uint_eq(faults.count, 0);
	expect_blob(&conf->server[0].ca, PART("CERTIFICATE", "Y2E="));
	expect_blob(&conf->server[1].server_key, public_key);
	ck_assert_ptr_null(conf->server[0].server_key.bytes);
	ck_assert_uint_eq(conf->server[1].ca.n, 0);
	expect_blob(&conf->listen[0].cert, cert);
	expect_blob(&conf->listen[0].private_key, private_key);
	expect_blob(&conf->listen[0].ca, PART("CERTIFICATE", "Y2E="));
	expect_blob(&conf->endpoint[0].cert, cert);
	expect_blob(&conf->endpoint[0].private_key, private_key);
	expect_blob(&conf->endpoint[0].lan_public_key, public_key);
	conf_free(conf);
	conf_faults_free(&faults);
	ck_assert_uint_eq(secret_held(), 0);
	remove_files();
}
END_TEST

/* Gives a file that mode, and expects every fault to say words with its path, and how many. */
static void expect_faults(const char *name, mode_t mode, size_t count, const char *words)
{
	struct conf_faults faults;
	char path[128];
	char text[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ck_assert_int_eq(chmod(path, mode), 0);
	ck_assert_ptr_null(load_files(&faults));
	ck_assert_uint_eq(faults.count, count);
	snprintf(text, sizeof(text), "(mode %04o); right is: %s %s", (unsigned)mode, words, path);
	for (size_t i = 0; i < faults.count; i++) {
		ck_assert_msg(strstr(faults.list[i].text, text) != NULL, "%s", faults.list[i].text);
		ck_assert_ptr_null(strstr(faults.list[i].text, "c2VjcmV0"));
	}
	conf_faults_free(&faults);
	ck_assert_uint_eq(secret_held(), 0);
}

START_TEST(a_private_key_is_for_its_owner_alone)
{
	static const mode_t open_to[] = { 0640, 0620, 0610, 0604, 0602, 0601 };
	make_files();
	for (size_t i = 0; i < sizeof(open_to) / sizeof(open_to[0]); i++)
		expect_faults("key", open_to[i], 2, "chmod 600");
	remove_files();
}
END_TEST

START_TEST(others_may_read_certificates_but_not_write_them)
{
	static const struct {
		const char *name;
		size_t users;
	} public[] = { { "ca", 2 }, { "cert", 2 }, { "pub", 2 } };
	struct conf_faults faults;
	for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++) {
		make_files();
		expect_faults(public[i].name, 0664, public[i].users, "chmod go-w");
		expect_faults(public[i].name, 0646, public[i].users, "chmod go-w");
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", dir, public[i].name);
		ck_assert_int_eq(chmod(path, 0755), 0);
		conf_free(load_files(&faults));
		ck_assert_uint_eq(faults.count, 0);
		conf_faults_free(&faults);
		remove_files();
	}
}
END_TEST

START_TEST(files_of_another_user_are_refused)
{
	if (geteuid() != 0)
		return; /* only root may give files away */
	for (size_t i = 1; i < 5; i++) {
		struct conf_faults faults;
		char path[128];
		make_files();
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		ck_assert_int_eq(chown(path, 1, (gid_t)-1), 0);
		ck_assert_ptr_null(load_files(&faults));
		ck_assert_uint_eq(faults.count, 2);
		ck_assert_ptr_nonnull(strstr(faults.list[1].text, "belongs to user 1, who may change"));
		ck_assert_ptr_nonnull(strstr(faults.list[1].text, "right is: chown 0 /tmp/"));
		conf_faults_free(&faults);
		ck_assert_uint_eq(secret_held(), 0);
		remove_files();
	}
}
END_TEST

START_TEST(a_failed_load_wipes_what_it_read)
{
	struct conf_faults faults;
	make_files();
	make_file("conf", all_files, 0644);
	make_file("pub", "junk\n", 0644);
	ck_assert_ptr_null(load_files(&faults));
	ck_assert_uint_eq(faults.errors, 2);
	conf_faults_free(&faults);
	ck_assert_uint_eq(secret_held(), 0);
	remove_files();
}
END_TEST

/* Fills a file with that many bytes of blanks behind a part; expects whether it is taken. */
static void expect_limit(const char *name, const char *part, off_t limit)
{
	struct conf_faults faults;
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (int beyond = 0; beyond < 2; beyond++) {
		FILE *f = fopen(path, "w");
		ck_assert_ptr_nonnull(f);
		fputs(part, f);
		while (ftello(f) < limit + beyond)
			fputc('\n', f);
		fclose(f);
		struct conf *conf = load_files(&faults);
		ck_assert((conf == NULL) == (beyond == 1));
		ck_assert_uint_eq(faults.count, beyond == 1 ? 2 : 0);
		if (beyond == 1)
			ck_assert_ptr_nonnull(strstr(faults.list[0].text, "it is too large"));
		conf_free(conf);
		conf_faults_free(&faults);
	}
	make_file(name, part, name[0] == 'k' ? 0600 : 0644);
}

START_TEST(a_file_is_taken_up_to_its_limit)
{
	make_files();
	ck_assert_int_eq(chmod(dir, 0700), 0);
	expect_limit("ca", PART("CERTIFICATE", "Y2E="), (off_t)1024 * 1024);
	expect_limit("cert", cert, (off_t)64 * 1024);
	expect_limit("key", private_key, (off_t)16 * 1024);
	remove_files();
}
END_TEST

Suite *conf_blob_suite(void)
{
	Suite *s = suite_create("conf blob");
	SUITE_TEST(s, parts_are_counted_by_their_labels);
	SUITE_TEST(s, line_ends_and_words_do_not_matter);
	SUITE_TEST(s, a_damaged_part_is_found);
	SUITE_TEST(s, encrypted_keys_are_known_both_ways);
	SUITE_TEST(s, der_tells_keys_from_certificates);
	SUITE_TEST(s, what_stands_in_the_files_arrives);
	SUITE_TEST(s, a_private_key_is_for_its_owner_alone);
	SUITE_TEST(s, others_may_read_certificates_but_not_write_them);
	SUITE_TEST(s, files_of_another_user_are_refused);
	SUITE_TEST(s, a_failed_load_wipes_what_it_read);
	SUITE_TEST(s, a_file_is_taken_up_to_its_limit);
	return s;
}
