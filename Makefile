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
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT_tsan    := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
# The grace period taken out: what a test of the tests must find broken
OPT_nograce := $(OPT_release) -DIOTLB_TEST_NO_GRACE
OPT         := $(OPT_$(BUILD))
$(if $(OPT),,$(error BUILD=$(BUILD): allowed are release, debug, asan, tsan, nograce))

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
UNIT_datapath = $(DATAPATH) $(IOTLB)
UNIT_conf     = $(CONF)
UNIT_daemon   = $(DAEMON) $(DATAPATH) $(IOTLB) $(CONF)
UNIT_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/*/test_*.c))
BENCHES    := $(patsubst %.c,$(O)/%,$(wildcard tests/bench/*_bench.c))

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

$(BENCHES): $(O)/tests/bench/%: $(O)/tests/bench/%.o $(DATAPATH) $(IOTLB)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(DPDK_LIBS) -lpthread

.PHONY: test-qemu
test-qemu: $(O)/vunetd ## boot a real guest behind a vIOMMU in QEMU (SCENARIOS="strict off")
	$(Q)tests/qemu/run.py --vunetd $(O)/vunetd $(SCENARIOS)

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: clean
clean: ## remove everything built
	$(Q)rm -rf build

-include $(shell find $(O) -name '*.d' 2>/dev/null)
