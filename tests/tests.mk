# What the tests are made of; the Makefile says how. New tests are named here.

# ---- load: generator, echo server and yardstick, built as the relay is built, never installed --------
LOAD       = $(addprefix tests/load/,coapload coapecho forward flood)
LOAD_SHARE = book.c pace.c mark.c fault.c control.c codec.c hist.c net.c rand_block.c
tests/load/coapload_SRC   = $(addprefix tests/load/,coapload.c phases.c options.c fleet.c speak.c client.c $(LOAD_SHARE))
tests/load/coapecho_SRC   = $(addprefix tests/load/,coapecho.c server.c answer.c order.c asker.c paths.c places.c secure.c \
                            $(LOAD_SHARE))
tests/load/forward_SRC    = $(addprefix tests/load/,forward.c net.c)
tests/load/flood_SRC      = $(addprefix tests/load/,flood.c flood_say.c flood_net.c net.c)
$(foreach p,$(LOAD),$(eval $(p)_BELOW = base))
tests/load/flood_BELOW    = dtls base
tests/load/flood_LIBS     = $(WOLFSSL_LIBS)
tests/load/coapload_LIBS  = $(WOLFSSL_DIR)/lib/libwolfssl.a -lm
tests/load/coapecho_LIBS  = $(WOLFSSL_DIR)/lib/libwolfssl.a -lm
tests/load/client_CFLAGS  = -I$(WOLFSSL_DIR)/include
tests/load/secure_CFLAGS  = -I$(WOLFSSL_DIR)/include

# ---- peers: a LwM2M server and a LwM2M device on libcoap, for the demo and the network tests ------
# One program for each TLS library that libcoap is built with; the same objects link with all.
PEER_TLS         = openssl gnutls notls
lwm2m-server_SRC = $(addprefix tests/peers/,peer.c lwm2m-server.c talk.c security.c \
                   credentials.c book.c ops.c)
lwm2m-device_SRC = $(addprefix tests/peers/,peer.c lwm2m-device.c security.c objects.c)
# Raw ends: datagrams, DTLS records on OpenSSL and random messages as lines of hex.
RAW              = $(addprefix tests/,rawudp rawdtls rawdevice udptap randcoap memscan netdriver)
tests/rawudp_SRC   = $(addprefix tests/peers/,rawudp.c lines.c)
tests/rawdtls_SRC  = $(addprefix tests/peers/,rawdtls.c lines.c)
tests/rawdevice_SRC = $(addprefix tests/peers/,rawdevice.c lines.c)
tests/udptap_SRC   = $(addprefix tests/peers/,udptap.c lines.c)
tests/randcoap_SRC = tests/peers/randcoap.c
tests/memscan_SRC  = tests/peers/memscan.c
tests/netdriver_SRC = tests/peers/netdriver.c
$(foreach p,$(RAW),$(eval $(p)_BELOW = base))
# lwgated's part towards lwgate-net.
tests/netdriver_BELOW = netfilter trunk base
tests/rawdevice_BELOW = $(dtls_BELOW)
tests/rawdevice_LIBS  = $(WOLFSSL_LIBS)
tests/rawdtls_LIBS = $(shell $(PKG_CONFIG) --libs openssl)
# The room dtls over a socket, and ends on mbedTLS, which knows connection ids, for it to talk to.
DTLS_ENDS        = $(addprefix $(BUILD)/tests/,dtls-client dtls-server)
MBED_ENDS        = $(addprefix $(BUILD)/tests/,mbed-client mbed-server)
MBEDTLS_DIR     ?= $(BUILD)/deps/mbedtls
$(foreach f,mbed mbed-client mbed-server,$(eval \
	tests/peers/$(f)_CFLAGS = -isystem $$(MBEDTLS_DIR)/include))
PEERS            = $(foreach p,lwm2m-server lwm2m-device,$(PEER_TLS:%=$(BUILD)/tests/$(p)-%)) \
                   $(RAW:%=$(BUILD)/%) $(DTLS_ENDS) $(MBED_ENDS)

# ---- unit tests: one binary a room, linked with its archive and the floors below, nothing else --
UNIT_ROOMS   = base conf lwm2m dtls netfilter io fake msg msg-libcoap trunk trunk-dtls replay control \
               gateway
base_TESTS    = $(addprefix tests/unit/,check_base.c check_secret.c check_rights.c)
base_LIBS     = $(SECCOMP_LIBS)
conf_TESTS    = $(addprefix tests/unit/,check_conf.c check_conf_uci.c check_conf_parts.c \
                check_conf_print.c check_conf_key.c check_conf_blob.c)
lwm2m_TESTS   = $(addprefix tests/unit/,check_reg.c)
dtls_TESTS    = $(addprefix tests/unit/,check_dtls.c check_header.c check_handshake.c \
                check_records.c check_record12.c check_leave.c check_listener.c check_device.c check_dtls13.c check_newest13.c \
                check_file.c check_cert.c check_cert_device.c check_cert_wire.c check_scarce.c \
                scarce.c pki.c wire.c lan.c wolf_peer.c sealer.c sealer13.c)
dtls_LIBS     = $(WOLFSSL_LIBS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc
netfilter_TESTS = $(addprefix tests/unit/,netfilter.c check_rtnl.c check_plan.c \
                check_wire_codec.c check_helper.c check_doors.c netns.c)
netfilter_LIBS  = $(lwgate-net_LIBS) $(NL_LIBS)
# The trunk's files that touch the kernel, against the kernel; other tests of the trunk put FAKE_NET
# in their place.
io_TESTS      = $(addprefix tests/unit/,io.c check_timer.c check_loop.c check_udp.c check_udp_wan.c \
                check_resolve.c check_steer.c talk.c netns.c dns_stub.c)
io_LIBS       = $(CARES_LIBS)
# What several threads use.
threads_TESTS = $(addprefix tests/unit/,threads.c check_ring.c check_directory.c marks.c)
threads_BELOW = trunk base
FAKE_NET      = $(addprefix tests/unit/,fake_net.c fake_udp.c fake_resolve.c)
fake_TESTS    = tests/unit/check_fake_net.c $(FAKE_NET)
msg_TESTS     = $(addprefix tests/unit/,check_msg.c capture.c)
# The peek against libcoap's parser: a binary of its own, for the library's sake.
msg-libcoap_TESTS = $(addprefix tests/unit/,check_msg_libcoap.c msg_libcoap.c capture.c)
msg-libcoap_LIBS  = $(shell $(PKG_CONFIG) --libs libcoap-3-notls)
# The trunk as a whole, between devices and servers in memory.
RIG           = $(addprefix tests/unit/,rig.c rig_coap.c rig_far.c rig_lan.c pki.c wolf_peer.c fake_rand.c) $(FAKE_NET)
trunk_TESTS   = $(addprefix tests/unit/,trunk.c check_limit.c check_held.c check_flow.c \
                check_route.c check_newcomer.c check_move.c check_life.c \
                check_track.c check_notice.c check_reopen.c check_datapath.c \
                check_lan.c check_static.c check_called.c check_intercept.c check_record.c \
                capture.c fake_helper.c) $(RIG)
trunk_LIBS    = $(WOLFSSL_LIBS)
trunk-dtls_TESTS = $(addprefix tests/unit/,trunk_dtls.c check_wan.c check_wan_silence.c check_wan_move.c check_assist.c \
                check_wan_round.c check_wanted.c check_secure.c check_secure_move.c \
                check_secure_cert.c check_called_dtls.c check_secure_hostile.c check_opaque.c check_opaque_move.c check_frugal.c check_overload.c \
                check_soak.c check_soak_called.c check_soak_dtls.c check_crew.c check_crew_location.c \
                check_crew_limits.c check_crew_ports.c check_crew_called.c) $(RIG)
trunk-dtls_BELOW = $(trunk_BELOW)
trunk-dtls_LIBS  = $(WOLFSSL_LIBS)
replay_TESTS  = $(addprefix tests/unit/,check_replay.c capture.c) $(RIG)
replay_BELOW  = $(trunk_BELOW)
replay_LIBS   = $(WOLFSSL_LIBS)
control_TESTS = $(addprefix tests/unit/,check_control.c check_answers.c check_state.c check_rows.c \
                check_lwgate.c check_look.c check_look_kernel.c check_look_ports.c \
                check_tree.c small_relay.c) $(FAKE_NET)
control_LIBS  = $(JSON_LIBS) $(WOLFSSL_LIBS)
# The daemon as a whole, all rooms of it.
gateway_TESTS = tests/unit/check_gateway.c tests/unit/check_confine.c relay/gateway.c
gateway_BELOW = $(lwgated_BELOW)
gateway_LIBS  = $(lwgated_LIBS) -Wl,--wrap=pthread_create

# ---- fuzz targets: tests/fuzz/fuzz_x.c by themselves, with what they need besides ------------------
fuzz_record_SRC       = $(addprefix tests/unit/,wire.c lan.c wolf_peer.c)
fuzz_record_LIBS      = $(WOLFSSL_LIBS)
fuzz_listener_SRC     = $(fuzz_record_SRC)
fuzz_listener_LIBS    = $(WOLFSSL_LIBS)
fuzz_handshake_SRC    = tests/fuzz/exchange.c $(addprefix tests/unit/,lan.c wolf_peer.c fake_rand.c)
fuzz_handshake_LIBS   = $(WOLFSSL_LIBS)
fuzz_msg_libcoap_SRC  = tests/unit/msg_libcoap.c
fuzz_msg_libcoap_LIBS = $(msg-libcoap_LIBS)
fuzz_control_SRC      = tests/unit/small_relay.c $(FAKE_NET)
fuzz_control_LIBS     = $(control_LIBS)
fuzz_state_SRC        = $(fuzz_control_SRC)
fuzz_state_LIBS       = $(control_LIBS)
