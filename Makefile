# SPDX-License-Identifier: BSD-3-Clause
# vunetd: `make help` lists the targets.

BUILD   ?= release
PREFIX  ?= /usr
DESTDIR ?=
O       := build/$(BUILD)

CC      ?= gcc
Q       := $(if $(V),,@)

# Read when a recipe runs, not when this file does: `make demo` and `make test`
# install what is missing first.
DPDK_CFLAGS    = $(shell pkg-config --cflags libdpdk)
DPDK_LIBS      = $(shell pkg-config --libs libdpdk)
DAEMON_LIBS    = $(DPDK_LIBS) $(shell pkg-config --libs libsystemd) -liniparser -lpthread

VERSION := 0.1.0

CSTD     := -std=gnu11 -D_GNU_SOURCE -I. -DVUNETD_VERSION='"$(VERSION)"'
WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
OPT_release := -O3 -g -fno-strict-aliasing
OPT_debug   := -O0 -g3
OPT_asan    := -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT_tsan    := -O1 -g1 -fsanitize=thread -fno-omit-frame-pointer
# The grace period taken out: what a test of the tests must find broken
OPT_nograce := $(OPT_release) -DIOTLB_TEST_NO_GRACE
# The datapath with a clock at each border of its stages: only bench-stages uses it
OPT_stages  := $(OPT_release) -DVQ_STAGES
# For libFuzzer, which only clang has
OPT_fuzz    := $(OPT_asan) -fsanitize=fuzzer-no-link
OPT         := $(OPT_$(BUILD))
$(if $(OPT),,$(error BUILD=$(BUILD): allowed are release, debug, asan, tsan, nograce, stages, fuzz))
ifeq ($(BUILD),fuzz)
CC := clang
endif

CFLAGS  ?=
ALL_CFLAGS = $(CSTD) $(WARN) $(OPT) $(if $(NATIVE),-march=native) $(EXTRA_CFLAGS) $(CFLAGS) -MMD -MP
ALL_LDFLAGS = $(OPT) $(LDFLAGS)

objs = $(patsubst %.c,$(O)/%.o,$(wildcard $(1)/*.c))
IOTLB    := $(call objs,iotlb)
DATAPATH := $(call objs,datapath)
CONF     := $(call objs,conf)
DAEMON   := $(filter-out $(O)/daemon/main.o,$(call objs,daemon))
GUEST    := $(call objs,tests/guest)

# What a unit test may link is what its folder may include
UNIT_iotlb    = $(IOTLB)
UNIT_datapath = $(DATAPATH) $(IOTLB) $(filter-out $(O)/tests/unit/datapath/test_%,$(call objs,tests/unit/datapath))
UNIT_conf     = $(CONF)
UNIT_daemon   = $(DAEMON) $(DATAPATH) $(IOTLB) $(CONF) $(filter-out $(O)/tests/unit/daemon/test_%,$(call objs,tests/unit/daemon))
UNIT_guest    = $(filter-out $(O)/tests/guest/main.o,$(GUEST))
UNIT_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/*/test_*.c))
BENCHES    := $(patsubst %.c,$(O)/%,$(wildcard tests/bench/*_bench.c))
FUZZERS    := $(patsubst %.c,$(O)/%,$(wildcard tests/fuzz/fuzz_*.c))

.DELETE_ON_ERROR:
.SECONDARY:

.PHONY: all
all: $(O)/vunetd $(O)/vunet-guest ## build the daemon and the test guest

$(O)/vunetd: $(O)/daemon/main.o $(DAEMON) $(DATAPATH) $(IOTLB) $(CONF)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

# The test guest is a front-end and a driver of its own: no DPDK in it
$(O)/vunet-guest: $(GUEST)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lpthread

$(O)/tests/guest/%.o: tests/guest/%.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(O)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(DPDK_CFLAGS) $(ALL_CFLAGS) -c -o $@ $<

.SECONDEXPANSION:
$(UNIT_TESTS): $(O)/tests/unit/%: $(O)/tests/unit/%.o $$(UNIT_$$(word 5,$$(subst /, ,$$@)))
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -lcmocka $(DAEMON_LIBS)

# Before each load of the datapath's the guest may come (tests/fuzz/loads.h)
FUZZ_RINGS   := $(addprefix $(O)/tests/fuzz/,rings.o rings_guest.o scatter.o mbufs.o)
FUZZ_gate    := $(UNIT_daemon) $(O)/tests/fuzz/gate_honest.o
FUZZ_iotlb   := $(IOTLB)
FUZZ_split   := $(UNIT_datapath) $(FUZZ_RINGS)
FUZZ_packed  := $(UNIT_datapath) $(FUZZ_RINGS)
FUZZ_offload := $(UNIT_datapath) $(O)/tests/fuzz/mbufs.o
FUZZ_conf    := $(CONF)

ifeq ($(BUILD),fuzz)
$(DATAPATH): EXTRA_CFLAGS += -fsanitize-coverage=trace-loads
endif

$(FUZZERS): $(O)/tests/fuzz/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(O)/tests/fuzz/loads.o $$(FUZZ_$$*)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -Wl,--wrap=__asan_memcpy -o $@ $(filter %.o,$^) \
		-lcmocka $(DAEMON_LIBS)

$(BENCHES) $(O)/tests/bench/bare_device: $(O)/tests/bench/%: $(O)/tests/bench/%.o $(DATAPATH) $(IOTLB)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(DPDK_LIBS) -lpthread

# --- Trying and testing ---

# Built by a make of its own: before setup.sh there may be no pkg-config
.PHONY: demo
demo: ## install what is missing, build, and show packets on their way for some seconds
	$(Q)tests/setup.sh demo hugepages
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) BUILD=$(BUILD) all
	$(Q)tests/demo.sh $(O)

.PHONY: test
test: ## install what is missing, build, and run every test
	$(Q)tests/setup.sh test lint fuzz
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) BUILD=release all
	$(Q)tests/run.sh unit asan tsan nograce fuzz system abuse install qemu bench lint

.PHONY: check
check: all ## run the fast tests: units and the daemon with the test guest
	$(Q)tests/run.sh unit system

.PHONY: check-system
check-system: all ## run the system tests (TESTS="poison tap")
	$(Q)tests/system/run.py --build $(O) $(TESTS)

.PHONY: abuse
abuse: ## act out hostile guests and front-ends beside an innocent guest (CASES="split: loop")
	$(Q)for build in asan release; do \
		$(MAKE) --no-print-directory -j$$(nproc) BUILD=$$build build/$$build/vunetd \
			build/$$build/vunet-guest || exit; \
	done
	$(Q)tests/abuse/run.py --table build/abuse.md $(if $(CASES),"$(CASES)")
	@echo "  the table is in build/abuse.md"

MINUTES ?= 10
LAYOUT  ?=

.PHONY: soak
soak: all ## have guests come and go, and verify their traffic, for long (MINUTES=10 LAYOUT=packed)
	$(Q)SOAK_SECONDS=$$(($(MINUTES) * 60)) SOAK_LAYOUT="$(LAYOUT)" tests/system/run.py --build $(O) "soak:"

REPEATS ?= 3

.PHONY: benches
benches: $(BENCHES) $(O)/tests/bench/bare_device

.PHONY: bench
bench: SECONDS ?= 1
bench: all $(BENCHES) ## measure against dpdk-testpmd (SECONDS=1 REPEATS=3 CELLS="packed l2fwd 64")
	$(Q)for bench in $(BENCHES); do echo "== $$bench"; $$bench || exit; done
	$(Q)tests/bench/run.py --bin $(O) --seconds $(SECONDS) --repeats $(REPEATS) \
		--output build/bench.md $(CELLS)

.PHONY: bench-ceiling
bench-ceiling: SECONDS ?= 1
bench-ceiling: all $(O)/tests/bench/bare_device ## measure how fast any back-end could be (SECONDS=1 REPEATS=3 CELLS="packed tx")
	$(Q)tests/bench/ceiling.py --bin $(O) --seconds $(SECONDS) --repeats $(REPEATS) $(CELLS)

.PHONY: bench-instructions
bench-instructions: $(O)/tests/bench/vq_bench ## count instructions per packet, the same on every run
	$(Q)tests/setup.sh bench
	$(Q)tests/bench/instructions.py --bench $<

.PHONY: bench-stages
bench-stages: ## measure cycles per packet and stage of a virtqueue
	$(Q)$(MAKE) --no-print-directory BUILD=stages build/stages/tests/bench/vq_bench
	$(Q)build/stages/tests/bench/vq_bench

.PHONY: bench-waits
bench-waits: all $(O)/tests/bench/wake_bench ## measure where the time of a map or unmap goes
	$(Q)tests/bench/waits.py --bin $(O)

.PHONY: test-qemu
test-qemu: $(O)/vunetd ## boot real guests in QEMU, some of each kind (SCENARIOS="intel-vfio2m reboot")
	$(Q)tests/qemu/run.py --vunetd $(O)/vunetd $(SCENARIOS)

.PHONY: test-qemu-full
test-qemu-full: $(O)/vunetd ## boot a real guest of every kind (SCENARIOS="packed-4")
	$(Q)tests/qemu/run.py --full --vunetd $(O)/vunetd $(SCENARIOS)

.PHONY: bench-l2fwd
bench-l2fwd: SECONDS ?= 5
bench-l2fwd: $(O)/vunetd ## measure DPDK's forwarding in a guest by size of its pages (SECONDS=5)
	$(Q)tests/qemu/l2fwd.py --vunetd $(O)/vunetd --seconds $(SECONDS) --output build/l2fwd.md

.PHONY: fuzzers
fuzzers: $(FUZZERS)

.PHONY: fuzz
fuzz: SECONDS ?= 60
fuzz: ## let libFuzzer look for inputs that break us (SECONDS=60 for each of TARGETS="gate split")
	$(Q)tests/setup.sh fuzz
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) BUILD=fuzz fuzzers
	$(Q)tests/fuzz/run.py --seconds $(SECONDS) $(TARGETS)

# --- Documentation and installation ---

$(O)/conf-man: $(O)/docs/gen_man.o $(CONF)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -liniparser

$(O)/vunetd.conf.5: $(O)/conf-man
	@echo "  GEN   $@"
	$(Q)$< > $@

all: $(O)/vunetd.conf.5

SBINDIR     ?= $(PREFIX)/sbin
BINDIR      ?= $(PREFIX)/bin
MANDIR      ?= $(PREFIX)/share/man
EXAMPLEDIR  ?= $(PREFIX)/share/doc/vunetd/examples
CONFDIR     := /etc/vunetd
UNITDIR     ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
VHOSTUSERDIR ?= $(PREFIX)/share/qemu/vhost-user

# What `install` makes, for `uninstall` to remove
INSTALLED = $(SBINDIR)/vunetd $(BINDIR)/vunet-guest $(MANDIR)/man8/vunetd.8.gz \
	$(MANDIR)/man1/vunet-guest.1.gz \
	$(MANDIR)/man5/vunetd.conf.5.gz $(UNITDIR)/vunetd.service $(UNITDIR)/vunetd-guest@.socket \
	$(VHOSTUSERDIR)/50-vunetd.json $(SYSUSERSDIR)/vunetd.conf \
	$(TMPFILESDIR)/vunetd.conf $(EXAMPLEDIR)/vunetd.conf \
	$(patsubst conf/examples/%,$(EXAMPLEDIR)/%,$(wildcard conf/examples/*.conf))

INSTALL_BIN  = install -D -m 755
INSTALL_DATA = install -D -m 644

.PHONY: install
install: all ## install below $DESTDIR$PREFIX, the configuration in $DESTDIR/etc/vunetd
	$(Q)$(INSTALL_BIN) $(O)/vunetd $(DESTDIR)$(SBINDIR)/vunetd
	$(Q)$(INSTALL_BIN) $(O)/vunet-guest $(DESTDIR)$(BINDIR)/vunet-guest
	$(Q)$(INSTALL_DATA) docs/vunetd.8 $(DESTDIR)$(MANDIR)/man8/vunetd.8
	$(Q)$(INSTALL_DATA) $(O)/vunetd.conf.5 $(DESTDIR)$(MANDIR)/man5/vunetd.conf.5
	$(Q)$(INSTALL_DATA) docs/vunet-guest.1 $(DESTDIR)$(MANDIR)/man1/vunet-guest.1
	$(Q)gzip -9nf $(DESTDIR)$(MANDIR)/man1/vunet-guest.1 $(DESTDIR)$(MANDIR)/man8/vunetd.8 \
		$(DESTDIR)$(MANDIR)/man5/vunetd.conf.5
	$(Q)install -d $(DESTDIR)$(UNITDIR)
	$(Q)sed 's,/usr/sbin/,$(SBINDIR)/,' systemd/vunetd.service > $(DESTDIR)$(UNITDIR)/vunetd.service
	$(Q)chmod 644 $(DESTDIR)$(UNITDIR)/vunetd.service
	$(Q)$(INSTALL_DATA) -t $(DESTDIR)$(UNITDIR) systemd/vunetd-guest@.socket
	$(Q)install -d $(DESTDIR)$(VHOSTUSERDIR)
	$(Q)sed 's,/usr/sbin/,$(SBINDIR)/,' conf/50-vunetd.json > $(DESTDIR)$(VHOSTUSERDIR)/50-vunetd.json
	$(Q)chmod 644 $(DESTDIR)$(VHOSTUSERDIR)/50-vunetd.json
	$(Q)$(INSTALL_DATA) systemd/vunetd.sysusers $(DESTDIR)$(SYSUSERSDIR)/vunetd.conf
	$(Q)$(INSTALL_DATA) systemd/vunetd.tmpfiles $(DESTDIR)$(TMPFILESDIR)/vunetd.conf
	$(Q)$(INSTALL_DATA) -t $(DESTDIR)$(EXAMPLEDIR) conf/vunetd.conf conf/examples/*.conf
	$(Q)if [ -e $(DESTDIR)$(CONFDIR)/vunetd.conf ]; then \
		echo "  $(DESTDIR)$(CONFDIR)/vunetd.conf is there already and stays as it is"; \
	else \
		$(INSTALL_DATA) conf/vunetd.conf $(DESTDIR)$(CONFDIR)/vunetd.conf; \
	fi

# The configuration goes only if it is still the shipped one
.PHONY: uninstall
uninstall: ## remove what `make install` with the same variables installed
	$(Q)if cmp -s conf/vunetd.conf $(DESTDIR)$(CONFDIR)/vunetd.conf; then \
		rm -f $(DESTDIR)$(CONFDIR)/vunetd.conf; \
	elif [ -e $(DESTDIR)$(CONFDIR)/vunetd.conf ]; then \
		echo "  $(DESTDIR)$(CONFDIR)/vunetd.conf was changed and stays"; \
	fi
	$(Q)rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	$(Q)for dir in $(CONFDIR) $(EXAMPLEDIR) $(dir $(EXAMPLEDIR)); do \
		rmdir $(DESTDIR)$$dir 2>/dev/null || :; \
	done

# --- Style ---

SOURCES := $(wildcard iotlb/*.[ch] datapath/*.[ch] daemon/*.[ch] conf/*.[ch] docs/*.[ch] \
	tests/guest/*.[ch] tests/bench/*.[ch] tests/fuzz/*.[ch] tests/unit/*/*.[ch])
CLANG        ?= clang
CLANG_TIDY   ?= clang-tidy
CLANG_FORMAT ?= clang-format
LINT_FLAGS    = $(patsubst -I%,-isystem%,$(DPDK_CFLAGS)) $(subst -I.,-I$(CURDIR),$(CSTD)) $(WARN)
# cmocka's assertions return as far as an analyzer can see: nothing but noise
TIDY_SOURCES := $(filter-out tests/unit/%,$(filter %.c,$(SOURCES)))

.PHONY: lint lint-threads lint-tidy
lint: lint-threads lint-tidy ## check who calls what from which thread, and with clang-tidy

lint-threads:
	@echo "  CLANG -Wthread-safety"
	$(Q)$(CLANG) -fsyntax-only -Wthread-safety $(LINT_FLAGS) $(filter %.c,$(SOURCES))

lint-tidy:
	@echo "  TIDY"
	$(Q)mkdir -p build/lint && printf '%s\n' $(LINT_FLAGS) > build/lint/compile_flags.txt
	$(Q)printf '%s\n' $(TIDY_SOURCES) | \
		xargs -P $$(nproc) -n 4 $(CLANG_TIDY) --quiet -p build/lint 2>build/lint/summary

.PHONY: format-check
format-check: ## fail if clang-format would change anything
	$(Q)$(CLANG_FORMAT) --dry-run -Werror $(SOURCES)

.PHONY: format
format: ## let clang-format change it
	$(Q)$(CLANG_FORMAT) -i $(SOURCES)

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: clean
clean: ## remove everything built
	$(Q)rm -rf build

-include $(shell find $(O) -name '*.d' 2>/dev/null)
