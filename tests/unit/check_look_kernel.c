/* What the kernel has, judged from its files as they are on Debian, OpenWrt and in a container. */
#include "suite.h"
#include <stdio.h>
#include <string.h>
#include "conf/conf.h"
#include "control/look.h"

Suite *look_kernel_suite(void);

/* As Debian 12 writes them; DEBIAN_DEP is without nft_tproxy. */
#define MODULES                                                                                    \
	"nft_ct 24576 8 - Live 0x0000000000000000\n"                                               \
	"nf_conntrack 188416 1 nft_ct, Live 0x0000000000000000\n"
#define DEBIAN_DEP                                                                                 \
	"kernel/net/netfilter/nft_ct.ko: kernel/net/netfilter/nf_tables.ko\n"                      \
	"kernel/net/netfilter/nft_fib_inet.ko: kernel/net/ipv6/netfilter/nft_fib_ipv6.ko\n"        \
	"kernel/net/netfilter/xt_TPROXY.ko: kernel/net/ipv4/netfilter/nf_tproxy_ipv4.ko\n"
#define DEBIAN_TPROXY                                                                              \
	"kernel/net/netfilter/nft_tproxy.ko: kernel/net/ipv6/netfilter/nf_tproxy_ipv6.ko\n"
#define BUILTIN "kernel/fs/ext4/ext4.ko\nkernel/net/ipv6/ipv6.ko\n"
#define MODINFO "ext4.license=GPL\0nft_ct.license=GPL\0nft_tproxy.file=net/netfilter/nft_tproxy"
#define CONFIG                                                                                     \
	"#\n# Linux/x86 6.1.0 Kernel Configuration\n#\nCONFIG_NF_TABLES_INET=y\nCONFIG_NFT_CT=m\n"  \
	"# CONFIG_NFT_TPROXY_SOMETHING is not set\n"

#define TEXT(s) { (const uint8_t *)(s), sizeof(s) - 1 }

static const struct {
	const char *name;
	struct look_kernel kernel;
	enum look_has wanted; /* of nft_tproxy */
} rows[] = {
	{ "nothing to read", { .config = TEXT("") }, LOOK_NOT_TOLD },
	{ "it is loaded", { .modules = TEXT(MODULES "nft_tproxy 16384 1 - Live 0x0\n") }, LOOK_HAS },
	{ "others are loaded", { .modules = TEXT(MODULES) }, LOOK_NOT_TOLD },
	{ "others use it", { .modules = TEXT("x 1 1 nft_tproxy, Live 0x0\n") }, LOOK_NOT_TOLD },
	{ "a longer name", { .modules = TEXT("nft_tproxy2 1 0 - Live 0x0\n") }, LOOK_NOT_TOLD },
	{ "built in", { .builtin = TEXT(BUILTIN "kernel/net/netfilter/nft_tproxy.ko\n") }, LOOK_HAS },
	{ "built in, without a line end", { .builtin = TEXT("net/netfilter/nft_tproxy.ko") },
		LOOK_HAS },
	{ "built in by its information", { .modinfo = TEXT(MODINFO) }, LOOK_HAS },
	{ "information of others", { .modinfo = TEXT("nft_tproxy\0nft_tproxy2.license=GPL") },
		LOOK_NOT_TOLD },
	{ "information that is cut", { .modinfo = TEXT("nft_tproxy") }, LOOK_NOT_TOLD },
	{ "a file of Debian", { .dep = TEXT(DEBIAN_DEP DEBIAN_TPROXY) }, LOOK_HAS },
	{ "a packed file", { .dep = TEXT("kernel/net/netfilter/nft_tproxy.ko.zst:\n") }, LOOK_HAS },
	{ "a file of OpenWrt", { .dep = TEXT(":\n:\nnft_tproxy.ko:\n") }, LOOK_HAS },
	{ "no file, and built in is not listed", { .dep = TEXT(DEBIAN_DEP) }, LOOK_NOT_TOLD },
	{ "no file, and not built in", { .dep = TEXT(DEBIAN_DEP), .builtin = TEXT(BUILTIN) },
		LOOK_HAS_NOT },
	{ "no file, and no information", { .dep = TEXT(DEBIAN_DEP), .modinfo = TEXT("a.b=c") },
		LOOK_HAS_NOT },
	{ "not built in, and files are not listed", { .builtin = TEXT(BUILTIN) }, LOOK_NOT_TOLD },
	{ "made with it", { .config = TEXT(CONFIG "CONFIG_NFT_TPROXY=y\n") }, LOOK_HAS },
	{ "made without it", { .config = TEXT(CONFIG "# CONFIG_NFT_TPROXY is not set\n") },
		LOOK_HAS_NOT },
	{ "not a word of it", { .config = TEXT(CONFIG) }, LOOK_HAS_NOT },
	{ "an option of a longer name", { .config = TEXT(CONFIG "CONFIG_NFT_TPROXY_X=y\n") },
		LOOK_HAS_NOT },
	{ "a value that is none", { .config = TEXT(CONFIG "CONFIG_NFT_TPROXY=?\n") }, LOOK_HAS_NOT },
	{ "a value of more than a letter", { .config = TEXT(CONFIG "CONFIG_NFT_TPROXY=yes\n") },
		LOOK_HAS_NOT },
	{ "cut before its value", { .config = TEXT(CONFIG "CONFIG_NFT_TPROXY") }, LOOK_HAS_NOT },
	{ "no configuration", { .config = TEXT("\n\n\0\n=y\n") }, LOOK_NOT_TOLD },
	{ "made as a file, and files are not listed",
		{ .config = TEXT(CONFIG "CONFIG_NFT_TPROXY=m\n") }, LOOK_NOT_TOLD },
	{ "made as a file, which is there",
		{ .config = TEXT("CONFIG_NFT_TPROXY=m\n"), .dep = TEXT(DEBIAN_TPROXY) }, LOOK_HAS },
	{ "made as a file, which is not installed",
		{ .config = TEXT("CONFIG_NFT_TPROXY=m\n"), .dep = TEXT(DEBIAN_DEP) }, LOOK_HAS_NOT },
	{ "lines of nothing", { .dep = TEXT("\n\n:\n /\n.ko:\n"), .builtin = TEXT("\n/") },
		LOOK_HAS_NOT },
};

/* Judges copies that end where the text ends. */
START_TEST(a_part_of_the_kernel_is_found_where_it_is)
{
	struct look_kernel k = rows[_i].kernel;
	struct slice *text[] = { &k.modules, &k.builtin, &k.modinfo, &k.dep, &k.config };
	for (unsigned i = 0; i < 5; i++)
		ck_assert(slice_copy(text[i], text[i]->p, text[i]->n));
	ck_assert_msg(look_module(&k, LOOK_TPROXY) == rows[_i].wanted, "%s", rows[_i].name);
	for (unsigned i = 0; i < 5; i++)
		slice_free(text[i]);
}
END_TEST

START_TEST(each_part_has_its_own_name)
{
	const struct look_kernel debian = { .dep = TEXT(DEBIAN_DEP), .builtin = TEXT(BUILTIN) };
	ck_assert_int_eq(look_module(&debian, LOOK_FIB), LOOK_HAS);
	ck_assert_int_eq(look_module(&debian, LOOK_NOTRACK), LOOK_HAS);
	/* It stands behind others only. */
	ck_assert_int_eq(look_module(&debian, LOOK_NF_TABLES), LOOK_HAS_NOT);
}
END_TEST

static char said[4096];
static unsigned warnings;

static void note(void *arg, const struct conf_listen *listen, const char *text)
{
	(void)arg;
	ck_assert_str_eq(listen->name, "lan");
	size_t n = strlen(said);
	snprintf(said + n, sizeof(said) - n, "%s\n", text);
	warnings++;
}

static void tell(enum look_has tables, enum look_has tproxy, enum look_has fib, enum look_has notrack)
{
	const enum look_has has[LOOK_PARTS] = { [LOOK_NF_TABLES] = tables, [LOOK_TPROXY] = tproxy,
		[LOOK_FIB] = fib, [LOOK_NOTRACK] = notrack };
	const struct conf_listen listen = { .name = "lan" };
	said[0] = '\0';
	warnings = 0;
	look_parts(has, &listen, note, NULL);
}

START_TEST(what_the_kernel_lacks_is_told_with_its_package)
{
	tell(LOOK_HAS, LOOK_HAS, LOOK_HAS, LOOK_HAS);
	ck_assert_uint_eq(warnings, 0);
	tell(LOOK_HAS, LOOK_HAS_NOT, LOOK_HAS, LOOK_HAS_NOT);
	ck_assert_uint_eq(warnings, 2);
	ck_assert_ptr_nonnull(strstr(said, "the kernel lacks nft_tproxy, "));
	ck_assert_ptr_nonnull(strstr(said, "(OpenWrt: kmod-nft-tproxy; Debian: linux-image-"));
	ck_assert_ptr_nonnull(strstr(said, "the kernel lacks nft_ct, "));
	ck_assert_ptr_null(strstr(said, "nft_fib"));
}
END_TEST

START_TEST(what_can_not_be_told_is_one_line)
{
	tell(LOOK_NOT_TOLD, LOOK_NOT_TOLD, LOOK_NOT_TOLD, LOOK_NOT_TOLD);
	ck_assert_uint_eq(warnings, 1);
	ck_assert_ptr_nonnull(strstr(said, "it can not be told whether the kernel has nf_tables, "
		"nft_tproxy, nft_fib_inet, nft_ct, which"));
	tell(LOOK_HAS, LOOK_NOT_TOLD, LOOK_HAS_NOT, LOOK_HAS);
	ck_assert_uint_eq(warnings, 2);
	ck_assert_ptr_nonnull(strstr(said, "whether the kernel has nft_tproxy, which"));
}
END_TEST

Suite *look_kernel_suite(void)
{
	Suite *s = suite_create("look_kernel");
	TCase *c = tcase_create("rows");
	tcase_add_loop_test(c, a_part_of_the_kernel_is_found_where_it_is, 0,
		sizeof(rows) / sizeof(rows[0]));
	suite_add_tcase(s, c);
	SUITE_TEST(s, each_part_has_its_own_name);
	SUITE_TEST(s, what_the_kernel_lacks_is_told_with_its_package);
	SUITE_TEST(s, what_can_not_be_told_is_one_line);
	return s;
}
