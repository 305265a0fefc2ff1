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
WOLFSSL_DIR     ?= $(BUILD)/deps/wolfssl
DEPS            ?= $(BUILD)/deps/ready

OPT_0    = -O2 -g -DNDEBUG
OPT_1    = -O0 -g3
SANITIZE = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
CFLAGS  ?= $(OPT_$(DEBUG))
LDFLAGS ?=
# Tests may convert freely; ck_assert_* does.
WARN     = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
           -Wvla -Wundef -Wwrite-strings $(if $(filter 1,$(WERROR)),-Werror)
STRICT   = $(if $(findstring tests/,$<),-Wno-sign-compare,-Wconversion -Wsign-conversion)
HARDEN   = -fstack-protector-strong -fPIE $(if $(filter 0,$(DEBUG)),-D_FORTIFY_SOURCE=2)
# -iquote, since relay/limits.h must not stand in for the system's <limits.h>.
BASE_CFLAGS = -std=c11 -D_GNU_SOURCE -iquote . -iquote relay $(WARN) $(STRICT) -DLWGATE_VERSION='"$(VERSION)"'
ALL_CFLAGS  = $(BASE_CFLAGS) $(HARDEN)

quiet = $(if $(filter 0,$(V)),@printf '  %-7s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$@)';)

# ---- the rooms, floor by floor, each in the order in which a datagram meets its files -----------
base_SRC    = $(addprefix relay/base/,addr.c log.c hash.c rand.c hex.c)
trunk_SRC   = $(addprefix relay/,timer.c loop.c udp.c resolve.c)
netfilter_SRC = netfilter/rtnl.c
ROOMS       = base netfilter trunk

base_BELOW    = base
netfilter_BELOW = netfilter base
io_BELOW      = trunk base
fake_BELOW    = trunk base


# Headers of libraries that stand behind one door.
netfilter/rtnl_CFLAGS = $(shell $(PKG_CONFIG) --cflags libnl-3.0)
relay/resolve_CFLAGS  = $(shell $(PKG_CONFIG) --cflags libcares)

# ---- programs ---------------------------------------------------------------------------------
PROGRAMS =

# ---- unit tests: one binary a room, linked with its archive and the floors below, nothing else --
UNIT_ROOMS   = base netfilter io fake
base_TESTS    = $(addprefix tests/unit/,check_base.c)
netfilter_TESTS = $(addprefix tests/unit/,check_rtnl.c netns.c)
netfilter_LIBS  = $(NL_LIBS)
# The trunk's files that touch the kernel, against the kernel; other tests of the trunk put FAKE_NET
# in their place.
io_TESTS      = $(addprefix tests/unit/,io.c check_timer.c check_loop.c check_udp.c \
	check_udp_wan.c talk.c netns.c check_resolve.c dns_stub.c)
io_LIBS       = $(CARES_LIBS)
FAKE_NET      = $(addprefix tests/unit/,fake_net.c fake_udp.c fake_resolve.c)
fake_TESTS    = tests/unit/check_fake_net.c $(FAKE_NET)

CHECK_LIBS  ?= $(shell $(PKG_CONFIG) --libs check)
NL_LIBS     ?= $(shell $(PKG_CONFIG) --libs libnl-3.0)
CARES_LIBS  ?= $(shell $(PKG_CONFIG) --libs libcares)

# ---- how things are made ------------------------------------------------------------------------
.PHONY: all deps demo check check-fast lint unit fuzz-replay install clean
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
all: $(addprefix $(BUILD)/,$(PROGRAMS)) $(ROOMS:%=$(BUILD)/lib/%.a)

deps: $(DEPS)
$(BUILD)/deps/ready:
	+@WOLFSSL_TARBALL='$(WOLFSSL_TARBALL)' packaging/deps $(BUILD)/deps

# A flavour is a folder of objects and archives: the release one, and the sanitized one for tests.
# $(1) folder, $(2) its flags
define flavour
$(1)/obj/%.o: %.c | $$(DEPS)
	@mkdir -p $$(@D)
	$$(call quiet,CC)$$(CC) $$(ALL_CFLAGS) $(2) $$(CPPFLAGS) $$($$*_CFLAGS) -MMD -MP -c $$< -o $$@
$(foreach r,$(ROOMS),
$(1)/lib/$(r).a: $$(patsubst %.c,$(1)/obj/%.o,$$($(r)_SRC))
	@mkdir -p $$(@D); rm -f $$@
	$$(call quiet,AR)$$(AR) crs $$@ $$^
)
endef
$(eval $(call flavour,$(BUILD),$$(CFLAGS)))
$(eval $(call flavour,$(BUILD)/san,$(SANITIZE)))

define unit
$(BUILD)/tests/unit-$(1): $$(patsubst %.c,$(BUILD)/san/obj/%.o,$$($(1)_TESTS)) \
		$$(patsubst %,$(BUILD)/san/lib/%.a,$$($(1)_BELOW))
	@mkdir -p $$(@D)
	$$(call quiet,LD)$$(CC) $(SANITIZE) -o $$@ $$^ $$($(1)_LIBS) $$(CHECK_LIBS)
endef
$(foreach r,$(UNIT_ROOMS),$(eval $(call unit,$(r))))

unit-tests = $(UNIT_ROOMS:%=$(BUILD)/tests/unit-%)
unit: $(unit-tests)
	@tests/unit/run $(unit-tests)

clean:
	rm -rf $(filter-out $(BUILD)/deps,$(wildcard $(BUILD)/*))

-include $(shell find $(BUILD)/obj $(BUILD)/san/obj -name '*.d' 2>/dev/null)
