/* SPDX-License-Identifier: BSD-3-Clause */
/* test_load.c - Files that are right */
#include "tests/unit/conf/conf_test.h"

#include <grp.h>
#include <pwd.h>
#include <sched.h>

/* Fails the test with the errors when a text is refused */
static struct loaded accept_text(const char *text)
{
	struct loaded l = load_text(text);

	if (l.ret)
		fail_msg("refused:\n%s", l.errors);
	assert_string_equal(l.errors, "");
	assert_non_null(l.conf);
	return l;
}

static void test_conf_load_defaults(void **state)
{
	struct loaded l = accept_text(PORT GUEST);
	const struct conf *c = l.conf;

	(void)state;
	assert_string_equal(c->file, l.path);
	assert_string_equal(c->dpdk.args, "");
	assert_int_equal(c->dpdk.hugepages, CONF_HUGEPAGES_AUTO);
	assert_int_equal(c->dpdk.memory_mb, 256);
	assert_int_equal(c->pmd.n_cores, 1);
	assert_int_equal(c->iotlb.max_entries, 1048576);
	assert_int_equal(c->iotlb.miss_timeout_ms, 100);
	assert_int_equal(c->iotlb.miss_retries, 10);
	assert_int_equal(c->iotlb.spin_us, 50);
	assert_int_equal(c->log.level, CONF_LOG_INFO);
	assert_int_equal(c->log.stats_s, 0);

	assert_int_equal(c->n_ports, 1);
	assert_string_equal(c->ports[0].name, "uplink");
	assert_string_equal(c->ports[0].devargs, "net_tap0,iface=vunet0");
	assert_int_equal(c->ports[0].queues, 1);
	assert_int_equal(c->ports[0].descriptors, 1024);
	assert_int_equal(c->ports[0].mtu, 1500);
	assert_true(c->ports[0].promiscuous);

	assert_int_equal(c->n_guests, 1);
	assert_string_equal(c->guests[0].name, "vm1");
	assert_string_equal(c->guests[0].socket, "/run/vunetd/vm1.sock");
	assert_int_equal(c->guests[0].mode, CONF_SOCKET_SERVER);
	assert_int_equal(c->guests[0].owner, (uid_t)-1);
	assert_int_equal(c->guests[0].group, (gid_t)-1);
	assert_int_equal(c->guests[0].perm, 0660);
	assert_int_equal(c->guests[0].queues, 1);
	assert_false(c->guests[0].viommu);
	assert_int_equal(c->guests[0].wire, 0);
	loaded_fini(&l);
}

static void test_conf_load_every_key(void **state)
{
	struct loaded l =
		accept_text("[dpdk]\nargs = -a 0000:01:00.0 --file-prefix=x\n"
			    "hugepages = require\nmemory_mb = 65536\n"
			    "[pmd]\ncores = last\n"
			    "[iotlb]\nmax_entries = 64\nmiss_timeout_ms = 60000\n"
			    "miss_retries = 0\nspin_us = 0\n"
			    "[log]\nlevel = debug\nstats_s = 3600\n"
			    "[port.p]\ndevargs = \"net_pcap0,rx_pcap=a#b;c\"\nqueues = 128\n"
			    "descriptors = 32768\nmtu = 9702\npromiscuous = off\n"
			    "[guest.g]\nsocket = /s\nmode = client\nowner = root\n"
			    "group = root\npermissions = 0777\nqueues = 128\n"
			    "viommu = on\nwire = p\n");
	const struct conf *c = l.conf;

	(void)state;
	assert_string_equal(c->dpdk.args, "-a 0000:01:00.0 --file-prefix=x");
	assert_int_equal(c->dpdk.hugepages, CONF_HUGEPAGES_REQUIRE);
	assert_int_equal(c->dpdk.memory_mb, 65536);
	assert_int_equal(c->iotlb.max_entries, 64);
	assert_int_equal(c->iotlb.miss_timeout_ms, 60000);
	assert_int_equal(c->iotlb.miss_retries, 0);
	assert_int_equal(c->iotlb.spin_us, 0);
	assert_int_equal(c->log.level, CONF_LOG_DEBUG);
	assert_int_equal(c->log.stats_s, 3600);
	assert_string_equal(c->ports[0].devargs, "net_pcap0,rx_pcap=a#b;c");
	assert_int_equal(c->ports[0].queues, 128);
	assert_int_equal(c->ports[0].descriptors, 32768);
	assert_int_equal(c->ports[0].mtu, 9702);
	assert_false(c->ports[0].promiscuous);
	assert_int_equal(c->guests[0].mode, CONF_SOCKET_CLIENT);
	assert_int_equal(c->guests[0].owner, 0);
	assert_int_equal(c->guests[0].group, 0);
	assert_int_equal(c->guests[0].perm, 0777);
	assert_int_equal(c->guests[0].queues, 128);
	assert_true(c->guests[0].viommu);
	loaded_fini(&l);
}

static void test_conf_load_numeric_ids(void **state)
{
	struct loaded l = accept_text(PORT GUEST "owner = 12345\ngroup = 4294967294\n");

	(void)state;
	assert_int_equal(l.conf->guests[0].owner, 12345);
	assert_int_equal(l.conf->guests[0].group, 4294967294u);
	loaded_fini(&l);
}

static void test_conf_load_case_is_ignored(void **state)
{
	struct loaded l =
		accept_text("[Port.UpLink]\nDevArgs = \"net_Tap0\"\n[GUEST.VM1]\n"
			    "Socket = /Run/A\nWIRE = uPLINK\nVIOMMU = Yes\nMODE = CLIENT\n");

	(void)state;
	assert_string_equal(l.conf->ports[0].name, "uplink");
	assert_string_equal(l.conf->ports[0].devargs, "net_Tap0"); /* values keep theirs */
	assert_string_equal(l.conf->guests[0].socket, "/Run/A");
	assert_true(l.conf->guests[0].viommu);
	assert_int_equal(l.conf->guests[0].mode, CONF_SOCKET_CLIENT);
	loaded_fini(&l);
}

static void test_conf_load_any_order(void **state)
{
	struct loaded l =
		accept_text("[guest.b]\nsocket = /run/b\nwire = two\n"
			    "[guest.a]\nsocket = /run/a\nwire = one\n"
			    "[port.one]\ndevargs = net_null0\n[port.two]\ndevargs = net_null1\n");
	const struct conf *c = l.conf;

	(void)state;
	assert_int_equal(c->n_guests, 2);
	assert_string_equal(c->guests[0].name, "b");
	assert_string_equal(c->ports[c->guests[0].wire].name, "two");
	assert_string_equal(c->ports[c->guests[1].wire].name, "one");
	loaded_fini(&l);
}

static void test_conf_load_comments_and_spacing(void **state)
{
	struct loaded l = accept_text(
		"# c\n;c\n\n  [ port.uplink ]  \r\n"
		"\tdevargs\t=\t'net_null0'\t# why\nqueues=2 ; two\nmtu = 1400 # x\n" GUEST
		"  queues   =   2   ");

	(void)state;
	assert_string_equal(l.conf->ports[0].devargs, "net_null0");
	assert_int_equal(l.conf->ports[0].queues, 2);
	assert_int_equal(l.conf->ports[0].mtu, 1400);
	assert_int_equal(l.conf->guests[0].queues, 2);
	loaded_fini(&l);
}

static void test_conf_load_longest_socket(void **state)
{
	char text[512];
	struct loaded l;

	(void)state;
	snprintf(text, sizeof(text), "%s[guest.a]\nwire = uplink\nsocket = /%0*d\n", PORT,
		 CONF_SOCKET_MAX - 1, 1);
	l = accept_text(text);
	assert_int_equal(strlen(l.conf->guests[0].socket), CONF_SOCKET_MAX);
	loaded_fini(&l);
}

static void test_conf_load_flag_words(void **state)
{
	static const char *const yes[] = {"yes", "true", "on", "YES"};
	static const char *const no[] = {"no", "false", "off", "Off"};
	char text[512];

	(void)state;
	for (int i = 0; i < 8; i++) {
		struct loaded l;

		snprintf(text, sizeof(text), "%s%sviommu = %s\n", PORT, GUEST,
			 i < 4 ? yes[i] : no[i - 4]);
		l = accept_text(text);
		assert_int_equal(l.conf->guests[0].viommu, i < 4);
		loaded_fini(&l);
	}
}

static void test_conf_load_all_cores(void **state)
{
	char text[2048] = PORT GUEST "[pmd]\ncores = ";
	cpu_set_t set;
	struct loaded l;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	/* written downwards, to be loaded upwards */
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0 && n < 64; cpu--)
		if (CPU_ISSET(cpu, &set))
			sprintf(text + strlen(text), "%s%d", n++ ? "," : "", cpu);
	l = accept_text(text);
	assert_int_equal(l.conf->pmd.n_cores, n);
	for (unsigned int i = 0; i < n; i++) {
		assert_true(CPU_ISSET(l.conf->pmd.cores[i], &set));
		assert_true(i == 0 || l.conf->pmd.cores[i - 1] < l.conf->pmd.cores[i]);
	}
	loaded_fini(&l);
}

/* isolcpus= and CPUAffinity= narrow the affinity, but not what can be pinned to */
static void test_conf_load_core_outside_affinity(void **state)
{
	cpu_set_t before, one, after;
	int first = -1, last = -1;
	char text[512];
	struct loaded l;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &before))
			continue;
		first = first < 0 ? cpu : first;
		last = cpu;
	}
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	snprintf(text, sizeof(text), "%s%s[pmd]\ncores = %d\n", PORT, GUEST, last);
	l = accept_text(text);
	assert_int_equal(l.conf->pmd.cores[0], last);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&one, &after));
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	loaded_fini(&l);
}

static void test_conf_load_most_sections(void **state)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct loaded l;

	(void)state;
	for (int i = 0; i < CONF_PORTS_MAX; i++)
		fprintf(out,
			"[port.p%d]\ndevargs = net_null%d\n[guest.g%d]\nsocket = /run/%d\nwire = "
			"p%d\n",
			i, i, i, i, i);
	fclose(out);
	l = accept_text(text);
	assert_int_equal(l.conf->n_ports, CONF_PORTS_MAX);
	assert_int_equal(l.conf->n_guests, CONF_GUESTS_MAX);
	assert_int_equal(l.conf->guests[CONF_GUESTS_MAX - 1].wire, CONF_PORTS_MAX - 1);
	loaded_fini(&l);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf_load_defaults),
		cmocka_unit_test(test_conf_load_every_key),
		cmocka_unit_test(test_conf_load_numeric_ids),
		cmocka_unit_test(test_conf_load_case_is_ignored),
		cmocka_unit_test(test_conf_load_any_order),
		cmocka_unit_test(test_conf_load_comments_and_spacing),
		cmocka_unit_test(test_conf_load_longest_socket),
		cmocka_unit_test(test_conf_load_flag_words),
		cmocka_unit_test(test_conf_load_all_cores),
		cmocka_unit_test(test_conf_load_core_outside_affinity),
		cmocka_unit_test(test_conf_load_most_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
