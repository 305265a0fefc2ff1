/* Key files: who may read and write them, told by the file that was opened. */
#include "check_conf.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/secret.h"

static char dir[] = "/tmp/lwgate-key.XXXXXX";

/* Writes a file of this mode into the folder; the umask takes nothing from it. */
static void with_mode(const char *name, const char *text, mode_t mode)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	fclose(f);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static void remove_all(void)
{
	static const char *const names[] = { "conf", "key", "rows" };
	char path[128];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

static const char with_key_file[] =
	"config server s\n\toption uri coaps://h\nconfig listen\n\toption coaps 0\n"
	"config endpoint\n\toption name e\n\toption server s\n\toption identity i\n"
	"\toption key_file key\n";
static const char key[] = "000102030405060708090a0b0c0d0e0f\n";

static struct conf *load_dir(struct conf_faults *faults)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/conf", dir);
	return conf_load(path, faults);
}

/* Modes that leave the file to its owner. */
static const mode_t closed[] = { 0600, 0400, 0700 };
/* Each bit for others alone. */
static const mode_t open_to[] = { 0644, 0640, 0620, 0610, 0604, 0602, 0601, 0666 };

START_TEST(a_key_file_of_the_owner_alone_is_read)
{
	struct conf_faults faults;
	ck_assert_ptr_nonnull(mkdtemp(dir));
	with_mode("conf", with_key_file, 0644);
	with_mode("key", key, closed[_i]);
	struct conf *conf = load_dir(&faults);
	ck_assert_ptr_nonnull(conf);
	ck_assert_uint_eq(faults.count, 0);
	ck_assert_uint_eq(conf->endpoint[0].key.n, 16);
	conf_free(conf);
	conf_faults_free(&faults);
	ck_assert_uint_eq(secret_held(), 0);
	remove_all();
}
END_TEST

START_TEST(a_key_file_that_is_open_to_others_is_refused)
{
	struct conf_faults faults;
	char words[256];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	with_mode("conf", with_key_file, 0600);
	with_mode("key", key, open_to[_i]);
	ck_assert_ptr_null(load_dir(&faults));
	ck_assert_uint_eq(faults.count, 1);
	ck_assert_uint_eq(faults.list[0].where.line, 9);
	snprintf(words, sizeof(words), "(mode %04o); right is: chmod 600 %s/key",
		(unsigned)open_to[_i], dir);
	ck_assert_msg(strstr(faults.list[0].text, words) != NULL, "%s", faults.list[0].text);
	ck_assert_ptr_null(strstr(faults.list[0].text, "0001"));
	conf_faults_free(&faults);
	ck_assert_uint_eq(secret_held(), 0);
	remove_all();
}
END_TEST

START_TEST(a_file_belongs_to_root_or_to_us)
{
	const uid_t us = geteuid();
	ck_assert(!text_is_foreign(&(struct text){ .owner = 0 }));
	ck_assert(!text_is_foreign(&(struct text){ .owner = us }));
	ck_assert(text_is_foreign(&(struct text){ .owner = us + 1 }));
}
END_TEST

START_TEST(a_key_file_of_another_user_is_refused)
{
	struct conf_faults faults;
	char path[128];
	if (geteuid() != 0)
		return; /* only root may give files away; the test before this one holds */
	ck_assert_ptr_nonnull(mkdtemp(dir));
	with_mode("conf", with_key_file, 0600);
	with_mode("key", key, 0600);
	snprintf(path, sizeof(path), "%s/key", dir);
	ck_assert_int_eq(chown(path, 1, (gid_t)-1), 0);
	ck_assert_ptr_null(load_dir(&faults));
	ck_assert_uint_eq(faults.count, 1);
	ck_assert_ptr_nonnull(strstr(faults.list[0].text, "belongs to user 1"));
	ck_assert_ptr_nonnull(strstr(faults.list[0].text, "right is: chown 0 "));
	conf_faults_free(&faults);
	remove_all();
}
END_TEST

START_TEST(the_file_that_was_opened_counts_not_the_link)
{
	struct conf_faults faults;
	char link[128];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	with_mode("conf", with_key_file, 0600);
	with_mode("rows", key, 0644);
	snprintf(link, sizeof(link), "%s/key", dir);
	ck_assert_int_eq(symlink("rows", link), 0);
	ck_assert_ptr_null(load_dir(&faults));
	conf_faults_free(&faults);
	with_mode("rows", key, 0600);
	conf_free(load_dir(&faults));
	ck_assert_uint_eq(faults.count, 0);
	conf_faults_free(&faults);
	remove_all();
}
END_TEST

START_TEST(open_text_with_keys_is_warned_of_and_without_is_not)
{
	static const char conf[] = "config gateway\n\toption endpoints_file rows\n"
		"config server s\n\toption uri coaps://h\nconfig server n\n\toption uri coap://h\n"
		"config listen\n\toption coaps 0\n";
	struct conf_faults faults;
	ck_assert_ptr_nonnull(mkdtemp(dir));
	with_mode("conf", conf, 0644);
	with_mode("rows", "name,server\nx,n\n", 0644);
	conf_free(load_dir(&faults));
	ck_assert_uint_eq(faults.count, 0);
	conf_faults_free(&faults);
	with_mode("rows", "name,server,identity,key\nx,s,i,000102030405060708090a0b0c0d0e0f\n", 0604);
	struct conf *loaded = load_dir(&faults);
	ck_assert_ptr_nonnull(loaded);
	conf_free(loaded);
	ck_assert_uint_eq(faults.count, 1);
	ck_assert_int_eq(faults.list[0].severity, CONF_WARNING);
	ck_assert_ptr_nonnull(strstr(faults.list[0].where.file, "/rows"));
	ck_assert_ptr_nonnull(strstr(faults.list[0].text, "(mode 0604); right is: chmod 600 "));
	conf_faults_free(&faults);
	remove_all();
}
END_TEST

Suite *conf_key_suite(void)
{
	Suite *s = suite_create("conf key");
	TCase *c = tcase_create("modes");
	tcase_add_loop_test(c, a_key_file_of_the_owner_alone_is_read, 0,
		sizeof(closed) / sizeof(closed[0]));
	tcase_add_loop_test(c, a_key_file_that_is_open_to_others_is_refused, 0,
		sizeof(open_to) / sizeof(open_to[0]));
	suite_add_tcase(s, c);
	SUITE_TEST(s, a_file_belongs_to_root_or_to_us);
	SUITE_TEST(s, a_key_file_of_another_user_is_refused);
	SUITE_TEST(s, the_file_that_was_opened_counts_not_the_link);
	SUITE_TEST(s, open_text_with_keys_is_warned_of_and_without_is_not);
	return s;
}
