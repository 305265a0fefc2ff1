# lwgate. `make` builds, `make demo` shows, `make check` tests; each installs what it needs first.
# A packager may set any name that is given with ?= below; CONTRIBUTING.md says what each is for.

BUILD      ?= build
DESTDIR    ?=
PREFIX     ?= /usr
SBINDIR    ?= $(PREFIX)/sbin
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc
DOCDIR     ?= $(PREFIX)/share/doc/lwgate
PKG_CONFIG ?= pkg-config
AR         ?= ar
STRIP      ?= strip
INSTALL    ?= install
DEBUG      ?= 0
WERROR     ?= 1
V          ?= 0
VERSION    ?= 0.1.0

# wolfSSL: ours, built once into build/deps, or one that a packager brings.
WOLFSSL_TARBALL ?=
# full, or small: without DTLS 1.3; with a BUILD of its own.
WOLFSSL_PROFILE ?= full
WOLFSSL_DIR     ?= $(BUILD)/deps/wolfssl
WOLFSSL_LIBS    ?= $(WOLFSSL_DIR)/lib/libwolfssl.a -lm
# Stamps of packaging/deps; with DEPS= nothing is installed or built for us.
DEPS            ?= $(BUILD)/deps/ready
DEPS_TEST       ?= $(DEPS:ready=ready-test)
DEPS_FUZZ       ?= $(DEPS:ready=ready-fuzz)
DEPS_LOAD       ?= $(DEPS:ready=ready-load)
# auto, 0 or 1: run the probe of wolfSSL, or trust its headers as in a cross build.
PROBE_RUN       ?= auto
FUZZ_CC         ?= clang

OPT_0    = -O2 -g -DNDEBUG
OPT_1    = -O0 -g3
SANITIZE = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
# What threads do to each other; wolfSSL and the other libraries as they are.
THREADS  = -O1 -g -fno-omit-frame-pointer -fsanitize=thread
FUZZING  = -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
           -fno-sanitize-recover=all -Wno-error
CFLAGS  ?= $(OPT_$(DEBUG))
LDFLAGS ?= -Wl,-z,relro,-z,now
# Tests may convert freely; ck_assert_* does.
WARN     = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
           -Wvla -Wundef -Wwrite-strings $(if $(filter 1,$(WERROR)),-Werror)
STRICT   = $(if $(findstring tests/,$<),-Wno-sign-compare,-Wconversion -Wsign-conversion)
HARDEN   = -fstack-protector-strong -fPIE $(if $(filter 0,$(DEBUG)),-D_FORTIFY_SOURCE=2)
# -iquote, since relay/limits.h must not stand in for the system's <limits.h>.
QUOTED      = -iquote . -iquote relay
BASE_CFLAGS = -std=c11 -D_GNU_SOURCE $(QUOTED) $(WARN) $(STRICT) -DLWGATE_VERSION='"$(VERSION)"'
ALL_CFLAGS  = $(BASE_CFLAGS) $(HARDEN)

comma := ,
quiet = $(if $(filter 0,$(V)),@printf '  %-7s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$@)';)

# ---- the rooms, floor by floor, each in the order in which a datagram meets its files -----------
base_SRC    = $(addprefix relay/base/,addr.c bucket.c log.c hash.c rand.c hex.c machine.c secret.c \
              user.c rights.c filter.c)
conf_SRC    = $(addprefix conf/,read.c uci.c schema.c value.c uri.c load.c key.c pem.c blob.c csv.c \
              rules.c endpoint.c unique.c captured.c access.c print.c fault.c arena.c index.c)
lwm2m_SRC   = relay/lwm2m/reg.c
dtls_SRC    = $(addprefix dtls/,header.c header13.c number13.c record12.c listener.c session.c carry.c known.c wolf.c wolf13.c wolf_leave.c wolf_aead.c wolf_number.c wolf_cert.c wolf_name.c wolf_file.c)
trunk_SRC   = $(addprefix relay/,timer.c loop.c ring.c steer.c directory.c udp.c udp_memory.c resolve.c stat.c lan.c server.c wan.c \
              wan_round.c wan_socket.c classify.c limit.c msg.c track.c assist.c held.c reason.c lan_session.c identity.c identify.c \
              secure_tell.c secure.c record.c cid.c opaque.c flow.c route.c newcomer.c move.c forward.c \
              notice.c overload.c called.c crew.c handover.c life.c reopen.c wanted_listen.c wanted.c ahead.c datapath.c workers.c closed.c intercept.c confine.c)
netfilter_SRC = $(addprefix netfilter/,plan.c wire.c channel.c helper.c rtnl.c nft.c policy.c ct.c \
              transparent.c rights.c serve.c guard.c)
control_SRC = $(addprefix relay/control/,claim.c control.c answer.c tally.c show_status.c show_routes.c \
              show_metrics.c tree.c utf8.c text.c state.c row.c rows.c restore.c folder.c ask.c query.c \
              tables.c table.c units.c look.c look_match.c look_ask.c look_kernel.c look_ports.c \
              look_machine.c check.c)
ROOMS       = base conf lwm2m dtls netfilter trunk control

base_BELOW    = base
conf_BELOW    = conf base
lwm2m_BELOW   = lwm2m base
dtls_BELOW    = dtls base
netfilter_BELOW = netfilter base
trunk_BELOW   = trunk netfilter conf dtls lwm2m base
control_BELOW = control $(trunk_BELOW)
msg_BELOW     = $(trunk_BELOW)
msg-libcoap_BELOW = $(trunk_BELOW)
io_BELOW      = trunk base
fake_BELOW    = trunk base

# Headers of libraries that stand behind one door; wolfSSL also shows at the other end of the tests.
$(foreach f,rtnl policy,$(eval netfilter/$(f)_CFLAGS = $$(shell $$(PKG_CONFIG) --cflags libnl-3.0)))
netfilter/ct_CFLAGS     = $(shell $(PKG_CONFIG) --cflags libnl-nf-3.0)
netfilter/nft_CFLAGS    = $(shell $(PKG_CONFIG) --cflags libnftables)
relay/base/filter_CFLAGS = $(shell $(PKG_CONFIG) --cflags libseccomp)
relay/resolve_CFLAGS  = $(shell $(PKG_CONFIG) --cflags libcares)
$(foreach f,dtls/wolf dtls/wolf13 dtls/wolf_number dtls/wolf_leave dtls/wolf_aead dtls/wolf_cert dtls/wolf_name dtls/wolf_file tests/unit/wolf_peer tests/unit/sealer tests/unit/sealer13,$(eval \
	$(f)_CFLAGS = -isystem $$(WOLFSSL_DIR)/include))

# ---- programs: x_SRC, the archives x_BELOW in linking order, x_LIBS --------------------------------
PROGRAMS = lwgated lwgate-net lwgate
lwgated_SRC   = relay/main.c relay/gateway.c
lwgated_BELOW = control trunk netfilter conf dtls lwm2m base
lwgated_LIBS  = $(JSON_LIBS) $(CARES_LIBS) $(NL_LIBS) $(SECCOMP_LIBS) $(WOLFSSL_LIBS)
# No wolfSSL here: libnftables is GPL-2 only.
lwgate-net_SRC   = netfilter/main.c
lwgate-net_BELOW = netfilter base
lwgate-net_LIBS  = $(NFT_LIBS) $(NL_NF_LIBS) $(SECCOMP_LIBS)
lwgate_SRC    = relay/control/lwgate.c
lwgate_BELOW  = control conf base
lwgate_LIBS   = $(JSON_LIBS)
# Programs that the tests need besides, as targets; every check builds them first.
TEST_PROGRAMS = $(addprefix $(BUILD)/tests/,uci-export conf-check dtls-client dtls-server pki/ready) $(LOAD:%=$(BUILD)/%) $(PEERS) \
                $(BUILD)/san/lwgated $(BUILD)/san/lwgate-net $(BUILD)/tsan/lwgated $(BUILD)/tsan/lwgate-net \
                $(BUILD)/strict/lwgated \
                $(BUILD)/strict/lwgate-net

# What the tests are made of: rooms' unit binaries, peers, load programs, fuzz targets.
include tests/tests.mk

# ---- suites: a target each, that ends with the line "NAME: N passed, N failed" --------------------
SUITES_FAST = lint unit uci conf fuzz-replay refusals
# These measure, or fill the machine by themselves: one after the other.
SUITES_ALONE = load-smoke netns netns-strict
SUITES      = $(SUITES_FAST) unit-long $(SUITES_ALONE)

CHECK_LIBS  ?= $(shell $(PKG_CONFIG) --libs check)
CARES_LIBS  ?= $(shell $(PKG_CONFIG) --libs libcares)
JSON_LIBS   ?= $(shell $(PKG_CONFIG) --libs json-c)
NL_LIBS     ?= $(shell $(PKG_CONFIG) --libs libnl-3.0)
NL_NF_LIBS  ?= $(shell $(PKG_CONFIG) --libs libnl-nf-3.0)
NFT_LIBS    ?= $(shell $(PKG_CONFIG) --libs libnftables)
SECCOMP_LIBS ?= $(shell $(PKG_CONFIG) --libs libseccomp)

# ---- how things are made ------------------------------------------------------------------------
.PHONY: all deps peers demo load load-bars check check-fast test-programs fuzz install clean $(SUITES)
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
all: $(addprefix $(BUILD)/,$(PROGRAMS)) $(ROOMS:%=$(BUILD)/lib/%.a)

deps: $(DEPS)
foreign-wolfssl = $(filter-out $(BUILD)/deps/wolfssl,$(WOLFSSL_DIR))
run-deps = @CC='$(CC)' WOLFSSL_TARBALL='$(WOLFSSL_TARBALL)' WOLFSSL_DIR='$(foreign-wolfssl)' \
	WOLFSSL_PROFILE='$(WOLFSSL_PROFILE)' \
	packaging/deps $(1) $(BUILD)/deps
$(BUILD)/deps/ready: packaging/deps $(WOLFSSL_TARBALL)
	$(call run-deps)
$(BUILD)/deps/ready-test: packaging/deps
	$(call run-deps,--test)
$(BUILD)/deps/ready-fuzz: packaging/deps
	$(call run-deps,--fuzz)
$(BUILD)/deps/ready-load: packaging/deps
	$(call run-deps,--load)

# Other flags mean other objects.
flags := $(strip $(CC) $(CFLAGS) $(CPPFLAGS) WERROR=$(WERROR) DEBUG=$(DEBUG))
ifneq ($(flags),$(file <$(BUILD)/flags))
$(shell mkdir -p $(BUILD))
$(file >$(BUILD)/flags,$(flags))
endif

# A flavour is a folder of objects and archives: the release one, the sanitized one for tests, and
# the one for fuzzing. $(1) folder, $(2) its flags, $(3) its compiler, $(4) what must be there
define flavour
$(1)/obj/%.o: %.c $(BUILD)/flags | $(4)
	@mkdir -p $$(@D)
	$$(call quiet,CC)$(3) $$(ALL_CFLAGS) $(2) $$(CPPFLAGS) $$($$*_CFLAGS) -MMD -MP -c $$< -o $$@
$(foreach r,$(ROOMS),
$(1)/lib/$(r).a: $$(patsubst %.c,$(1)/obj/%.o,$$($(r)_SRC))
	@mkdir -p $$(@D); rm -f $$@
	$$(call quiet,AR)$$(AR) crs $$@ $$^
)
$$(patsubst %.c,$(1)/obj/%.o,$$(dtls_SRC)): $$(wolfssl-ok)
endef
# A wolfSSL that lacks something is refused before the first file that needs it is compiled.
wolfssl-ok := $(BUILD)/wolfssl-ok$(subst /,-,$(abspath $(WOLFSSL_DIR)))
$(wolfssl-ok): packaging/wolfssl-probe.c packaging/wolfssl-check \
		$(wildcard $(WOLFSSL_DIR)/lib/libwolfssl.a) | $(DEPS)
	@CC='$(CC)' PROBE_RUN='$(PROBE_RUN)' packaging/wolfssl-check $(WOLFSSL_DIR) $(BUILD)/wolfssl-probe
	@touch $@
$(eval $(call flavour,$(BUILD),$$(CFLAGS),$$(CC),$$(DEPS)))
$(eval $(call flavour,$(BUILD)/san,$(SANITIZE),$$(CC),$$(DEPS)))
$(eval $(call flavour,$(BUILD)/tsan,$(THREADS),$$(CC),$$(DEPS)))
$(eval $(call flavour,$(BUILD)/fuzz,$(FUZZING),$$(FUZZ_CC),$$(DEPS) $$(DEPS_FUZZ)))

define program
$(BUILD)/$(1): $$(patsubst %.c,$(BUILD)/obj/%.o,$$($(1)_SRC)) $$($(1)_BELOW:%=$(BUILD)/lib/%.a)
	@mkdir -p $$(@D)
	$$(call quiet,LD)$$(CC) $$(CFLAGS) -pie $$(LDFLAGS) -o $$@ $$^ $$($(1)_LIBS)
endef
$(foreach p,$(PROGRAMS) $(LOAD) $(RAW),$(eval $(call program,$(p))))
# The relay of the network tests: what ASan, UBSan or LeakSanitizer find fails them.
# lwgated looks for it beside itself. Its own filter of system calls would not let a sanitizer work.
$(BUILD)/san/lwgate-net: $(BUILD)/lwgate-net
	$(call quiet,LINK)mkdir -p $(@D) && ln -sf ../lwgate-net $@
$(BUILD)/san/lwgated: $(lwgated_SRC:%.c=$(BUILD)/san/obj/%.o) $(lwgated_BELOW:%=$(BUILD)/san/lib/%.a)
	$(call quiet,LD)$(CC) $(SANITIZE) -o $@ $^ $(lwgated_LIBS)

# The same with the sanitizer that watches threads.
$(BUILD)/tsan/lwgate-net: $(BUILD)/lwgate-net
	$(call quiet,LINK)mkdir -p $(@D) && ln -sf ../lwgate-net $@
$(BUILD)/tsan/lwgated: $(lwgated_SRC:%.c=$(BUILD)/tsan/obj/%.o) $(lwgated_BELOW:%=$(BUILD)/tsan/lib/%.a)
	$(call quiet,LD)$(CC) $(THREADS) -o $@ $^ $(lwgated_LIBS)

# The release programs, but a system call that the filter would refuse ends them: that fails the tests.
# Their filter.o comes before the one of base.a.
$(BUILD)/strict/filter.o: relay/base/filter.c $(BUILD)/flags | $(DEPS)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(ALL_CFLAGS) $(CFLAGS) $(CPPFLAGS) $(relay/base/filter_CFLAGS) -DFILTER_STRICT \
		-MMD -MP -c $< -o $@
define strict
$(BUILD)/strict/$(1): $(BUILD)/strict/filter.o $$(patsubst %.c,$(BUILD)/obj/%.o,$$($(1)_SRC)) \
		$$($(1)_BELOW:%=$(BUILD)/lib/%.a)
	$$(call quiet,LD)$$(CC) $$(CFLAGS) -pie $$(LDFLAGS) -o $$@ $$^ $$($(1)_LIBS)
endef
$(foreach p,lwgated lwgate-net,$(eval $(call strict,$(p))))

# $(1) peer, $(2) TLS library
define peer
$(BUILD)/tests/$(1)-$(2): $$(patsubst %.c,$(BUILD)/obj/%.o,$$($(1)_SRC)) $(BUILD)/lib/base.a
	@mkdir -p $$(@D)
	$$(call quiet,LD)$$(CC) $$(CFLAGS) -pie $$(LDFLAGS) -o $$@ $$^ \
		$$$$($$(PKG_CONFIG) --libs libcoap-3-$(2))
endef
$(foreach p,lwm2m-server lwm2m-device,$(foreach t,$(PEER_TLS),$(eval $(call peer,$(p),$(t)))))
peers: $(PEERS)

demo: all $(addprefix $(BUILD)/tests/lwm2m-,server-openssl device-notls device-gnutls \
		device-openssl)
	@BUILD='$(BUILD)' KEEP='$(KEEP)' tests/demo/demo.sh

define unit
$(BUILD)/tests/unit-$(1): $$(patsubst %.c,$(BUILD)/san/obj/%.o,$$($(1)_TESTS) tests/unit/marks.c) \
		$$(patsubst %,$(BUILD)/san/lib/%.a,$$($(1)_BELOW))
	@mkdir -p $$(@D)
	$$(call quiet,LD)$$(CC) $(SANITIZE) -Wl,--wrap=_mark_point -o $$@ $$^ $$($(1)_LIBS) $$(CHECK_LIBS)
endef
$(foreach r,$(UNIT_ROOMS),$(eval $(call unit,$(r))))
# What is shared by threads, with the sanitizer that watches them.
$(BUILD)/tests/unit-threads: $(threads_TESTS:%.c=$(BUILD)/tsan/obj/%.o) \
		$(threads_BELOW:%=$(BUILD)/tsan/lib/%.a)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(THREADS) -Wl,--wrap=_mark_point -o $@ $^ $(CHECK_LIBS)

# The room dtls by hand over a real socket, and what it costs.
$(BUILD)/tests/dtls-client: $(addprefix $(BUILD)/obj/tests/peers/,dtls-client.o files.o)
$(BUILD)/tests/dtls-server: $(addprefix $(BUILD)/obj/tests/peers/,dtls-server.o files.o)
$(BUILD)/tests/dtls-bench: $(addprefix $(BUILD)/obj/tests/,load/dtls-bench.o load/dtls-kinds.o load/dtls-many.o \
	unit/wolf_peer.o)
$(addprefix $(BUILD)/tests/,dtls-client dtls-server dtls-bench): $(dtls_BELOW:%=$(BUILD)/lib/%.a)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(CFLAGS) -pie $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) \
		$(WOLFSSL_LIBS)

# The other end on mbedTLS, built once.
mbed-objects = $(patsubst %,$(BUILD)/obj/tests/peers/%.o,mbed mbed-client mbed-server)
$(MBEDTLS_DIR)/recipe: tests/peers/mbedtls-build tests/peers/mbedtls-config.h | $(DEPS_TEST)
	@CC='$(CC)' AR='$(AR)' tests/peers/mbedtls-build $(@D)
$(mbed-objects): $(MBEDTLS_DIR)/recipe
# mbedTLS asks for <limits.h>, for which gcc would then find relay/limits.h.
$(mbed-objects): QUOTED = -iquote . -idirafter relay
$(MBED_ENDS): $(BUILD)/tests/%: $(BUILD)/obj/tests/peers/%.o $(BUILD)/obj/tests/peers/mbed.o \
		$(BUILD)/obj/tests/peers/lines.o $(BUILD)/lib/base.a $(MBEDTLS_DIR)/recipe
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(CFLAGS) -pie $(LDFLAGS) -o $@ $(filter-out %/recipe,$^) \
		$(addprefix $(MBEDTLS_DIR)/lib/,libmbedtls.a libmbedx509.a libmbedcrypto.a)

# tests/fuzz/fuzz_x.c may call any room; fuzz_x_SRC are more files, fuzz_x_LIBS foreign libraries.
# $(1) name, $(2) program, $(3) flavour, $(4) how to link, $(5) more objects
define fuzzer
$(2): $$(patsubst %.c,$(3)/obj/%.o,tests/fuzz/$(1).c $$($(1)_SRC)) $(5) $$(ROOMS:%=$(3)/lib/%.a)
	@mkdir -p $$(@D)
	$$(call quiet,LD)$(4) -o $$@ -Wl,--start-group $$^ -Wl,--end-group $$($(1)_LIBS)
endef
FUZZERS := $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c)))
replay  := $(BUILD)/san/obj/tests/fuzz/replay.o
$(foreach f,$(FUZZERS),$(eval $(call fuzzer,$(f),$(BUILD)/fuzz/$(f),$(BUILD)/fuzz,$$(FUZZ_CC) \
	-fsanitize=fuzzer$(comma)address$(comma)undefined)))
$(foreach f,$(FUZZERS),$(eval $(call fuzzer,$(f),$(BUILD)/tests/$(f),$(BUILD)/san,$$(CC) \
	$(SANITIZE),$(replay))))
fuzz: $(FUZZERS:%=$(BUILD)/fuzz/%)

# ---- tests --------------------------------------------------------------------------------------
unit-tests   = $(UNIT_ROOMS:%=$(BUILD)/tests/unit-%) $(BUILD)/tests/unit-threads
# Keys and certificates, made once; their dates are fixed.
pki = $(BUILD)/tests/pki/ready
$(pki): tests/lib/pki | $(DEPS_TEST)
	$(call quiet,PKI)tests/lib/pki $(@D)
$(addprefix $(BUILD)/tests/unit-,dtls trunk-dtls): | $(pki)
replay-tests = $(FUZZERS:%=$(BUILD)/tests/%)
test-objects = $(foreach r,$(UNIT_ROOMS),$(patsubst %.c,$(BUILD)/san/obj/%.o,$($(r)_TESTS))) \
               $(BUILD)/san/obj/tests/unit/marks.o $(threads_TESTS:%.c=$(BUILD)/tsan/obj/%.o)
peer-objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/*/*.c))
$(test-objects) $(peer-objects): | $(DEPS_TEST)
test-programs: all $(unit-tests) $(replay-tests) $(TEST_PROGRAMS)

check-fast: test-programs | $(DEPS_TEST)
	+@MAKE='$(MAKE)' tests/run-suites '$(SUITES_FAST)'
check: test-programs | $(DEPS_TEST)
	+@MAKE='$(MAKE)' tests/run-suites '$(filter-out $(SUITES_ALONE),$(SUITES))' $(SUITES_ALONE)

lint:
	@tests/lint/run
unit unit-long: $(unit-tests)
	@tests/unit/run $@ $(unit-tests)
uci: $(BUILD)/tests/uci-export
	@tests/conf/run-uci $<
conf: $(BUILD)/tests/conf-check
	@tests/conf/run-conf $<
$(BUILD)/tests/uci-export $(BUILD)/tests/conf-check: $(BUILD)/tests/%: \
		$(BUILD)/san/obj/tests/conf/%.o $(conf_BELOW:%=$(BUILD)/san/lib/%.a)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(SANITIZE) -o $@ $^
fuzz-replay: $(replay-tests)
	@tests/fuzz/run $(replay-tests)
refusals: $(wolfssl-ok)
	@CC='$(CC)' tests/packaging/refusals $(WOLFSSL_DIR)
load-smoke: $(LOAD:%=$(BUILD)/%)
	@BUILD='$(BUILD)' tests/load/smoke.sh
netns: all $(TEST_PROGRAMS)
	@BUILD='$(abspath $(BUILD))' RELAY='$(abspath $(BUILD))/san/lwgated' tests/netns/run $(wildcard tests/netns/*.sh)
# The programs as they are shipped, ended by every system call that they should not need.
STRICT_SCRIPTS = rights registration operations exchanges reload restart-gateway names lan-psk lan-x509 \
                 lan-13 wan-x509 wan-trouble wan-rpk state-file opaque commands listening moves \
                 intercept capture capture-mended capture-links capture-deaths capture-nat workers
netns-strict: all $(TEST_PROGRAMS)
	@SUITE=$@ BUILD='$(abspath $(BUILD))' RELAY='$(abspath $(BUILD))/strict/lwgated' \
		NET='$(abspath $(BUILD))/strict/lwgate-net' tests/netns/run $(STRICT_SCRIPTS:%=tests/netns/%.sh)

# ---- load: tests/load/README.md; ARGS are options of the script ------------------------------------
# Without ARGS the whole table; load-bars says which of the bars are met.
load: all $(LOAD:%=$(BUILD)/%) | $(DEPS_LOAD)
	@BUILD='$(BUILD)' tests/load/$(if $(ARGS),run.sh $(ARGS),table.sh)
load-bars: all $(LOAD:%=$(BUILD)/%) | $(DEPS_LOAD)
	@BUILD='$(BUILD)' tests/load/bars.sh $(ARGS)

# ---- where things go ----------------------------------------------------------------------------
# It will hold keys, and lwgated reads it again as its own user.
config_mode = $(if $(shell [ `id -u` = 0 ] && getent group lwgate),-m 640 -g lwgate,-m 600)
install: all
	$(INSTALL) -d $(addprefix $(DESTDIR),$(SBINDIR) $(BINDIR) $(SYSCONFDIR)/config $(DOCDIR))
	for p in $(PROGRAMS); do \
		to=$(SBINDIR); [ $$p != lwgate ] || to=$(BINDIR); \
		$(INSTALL) -m 755 $(BUILD)/$$p $(DESTDIR)$$to/ || exit 1; \
	done
	test -e $(DESTDIR)$(SYSCONFDIR)/config/lwgate || \
		$(INSTALL) $(config_mode) packaging/lwgate.conf $(DESTDIR)$(SYSCONFDIR)/config/lwgate
	$(INSTALL) -m 644 $(wildcard *.md) LICENSE $(DESTDIR)$(DOCDIR)/

clean:
	rm -rf $(filter-out $(BUILD)/deps,$(wildcard $(BUILD)/*))

-include $(shell find $(BUILD)/obj $(BUILD)/strict $(BUILD)/san/obj $(BUILD)/tsan/obj $(BUILD)/fuzz/obj -name '*.d' 2>/dev/null)
