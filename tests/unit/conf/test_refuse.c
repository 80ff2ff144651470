/* SPDX-License-Identifier: BSD-3-Clause */
/* test_refuse.c - Files that are wrong, and how they are told so */
#include "tests/unit/conf/conf_test.h"

#include <errno.h>

/**
 * struct refusal - A text and what must be said about it
 * @text:	Content of the file
 * @line:	Line that must be named; 0 when the whole file is meant
 * @says:	What must follow "FILE:LINE: ", from its beginning
 */
struct refusal {
	const char *text;
	unsigned int line;
	const char *says;
};

/* Each of these has one fault and must get one line about it */
static const struct refusal refusals[] = {
	/* what there must be */
	{"", 0, NULL /* two lines: no port, no guest */},
	{PORT, 0, "there is no [guest.NAME] section; allowed: 1 to 256"},
	{PORT "[guest.a]\nwire = uplink\n", 3,
	 "[guest.a] socket: must be given; allowed: an absolute"},
	{PORT "[guest.a]\nsocket = /a\n", 3, "[guest.a] wire: must be given; allowed: NAME of a"},
	{"[port.uplink]\n" GUEST, 1, "[port.uplink] devargs: must be given"},

	/* sections */
	{PORT GUEST "[pdm]\n", 6,
	 "[pdm]: no such section, did you mean [pmd]?; allowed: [dpdk], [pmd]"},
	{PORT GUEST "[prot.x]\na = 1\n", 6, "[prot.x]: no such section, did you mean [port.x]?"},
	{PORT GUEST "[port:x]\n", 6, "[port:x]: no such section, did you mean [port.x]?"},
	{PORT GUEST "[port x]\n", 6, "[port x]: no such section, did you mean [port.x]?"},
	{PORT GUEST "[guest]\n", 6, "[guest]: no such section, did you mean [guest.NAME]?"},
	{PORT GUEST "[log.x]\n", 6, "[log.x]: no such section, did you mean [log]?"},
	{PORT GUEST "[telemetry]\n", 6, "[telemetry]: no such section; allowed: [dpdk], [pmd]"},
	{PORT GUEST "[]\n", 6, "[]: no such section; allowed"},
	{PORT GUEST "[guest.]\n", 6, "[guest.]: not a name; allowed: 1 to 31 letters"},
	{PORT GUEST "[guest.a.b]\n", 6, "[guest.a.b]: not a name"},
	{PORT GUEST "[guest.a/b]\n", 6, "[guest.a/b]: not a name"},
	{PORT GUEST "[port.abcdefghijklmnopqrstuvwxyz012345]\n", 6,
	 "[port.abcdefghijklmnopqrstuvwxyz012345]: not a name"},

	/* keys */
	{PORT GUEST "[pmd]\ncroes = 0\n", 7,
	 "[pmd] croes: no such key, did you mean \"cores\"?; allowed: cores"},
	{PORT GUEST "viomu = yes\n", 6, "[guest.vm1] viomu: no such key, did you mean \"viommu\"?"},
	{PORT "speed = 10\n" GUEST, 3,
	 "[port.uplink] speed: no such key; allowed: devargs, queues"},
	{PORT GUEST "socket:x = 1\n", 6, "[guest.vm1] socket:x: no such key"},
	{"mtu = 1\n" PORT GUEST, 1, "mtu: a key must stand below a [section]"},

	/* doubles */
	{PORT GUEST "[log]\n[log]\n", 7, "[log]: given twice, first in line 6"},
	{PORT PORT GUEST, 3, NULL /* two lines: the heading and the key */},
	{PORT "[Port.Uplink]\n" GUEST, 3, "[port.uplink]: given twice, first in line 1"},
	{PORT "mtu = 1\nMTU = 2\n" GUEST, 4, NULL},
	{PORT GUEST "viommu = yes\nviommu = yes\n", 7,
	 "[guest.vm1] viommu: given twice, first in line 6"},

	/* lines */
	{PORT GUEST "[pmd\n", 6, "\"[pmd\": a [section] must be closed and stand alone"},
	{PORT GUEST "[pmd] # cores\n", 6, "\"[pmd] # cores\": a [section] must be closed"},
	{PORT GUEST "viommu\n", 6, "\"viommu\": neither a [section] nor a key = value"},
	{PORT GUEST "= yes\n", 6, "\"= yes\": neither a [section] nor a key = value"},
	{PORT GUEST "viommu = yes \\\n", 6, "a line must not end in \\"},
	{PORT "#\\\nmtu = 1500\n" GUEST, 3, "a line must not end in \\"},
	{PORT GUEST "viommu = \"yes\n", 6, "[guest.vm1] viommu: a quote is not closed"},
	{PORT GUEST "viommu = 'yes\"\n", 6, NULL /* nor is yes\" a word */},
	{PORT GUEST "viommu = \"yes\" no\n", 6,
	 "[guest.vm1] viommu: there is text behind the closing"},
	{"[port.uplink]\ndevargs = net_pcap0,rx_pcap=a;b\n" GUEST, 2,
	 "[port.uplink] devargs: an unquoted # or ; begins a comment and would cut"},
	{"[port.uplink]\ndevargs = net_null0#1\n" GUEST, 2,
	 "[port.uplink] devargs: an unquoted # or ; begins"},
	{PORT GUEST "viommu = y\x01s\n", 6, "holds control characters"},

	/* numbers */
	{PORT "mtu = 12abc\n" GUEST, 3,
	 "[port.uplink] mtu = \"12abc\": not a plain decimal number; allowed: a number from 68 to "
	 "9702"},
	{PORT "mtu = 64k\n" GUEST, 3, "[port.uplink] mtu = \"64k\": not a plain decimal number"},
	{PORT "mtu = 0100\n" GUEST, 3, "[port.uplink] mtu = \"0100\": not a plain decimal number"},
	{PORT "mtu = 0x5dc\n" GUEST, 3,
	 "[port.uplink] mtu = \"0x5dc\": not a plain decimal number"},
	{PORT "mtu = -1\n" GUEST, 3, "[port.uplink] mtu = \"-1\": not a plain decimal number"},
	{PORT "mtu = +1500\n" GUEST, 3,
	 "[port.uplink] mtu = \"+1500\": not a plain decimal number"},
	{PORT "mtu = 1500.0\n" GUEST, 3, "[port.uplink] mtu = \"1500.0\": not a plain decimal"},
	{PORT "mtu = \" 1500\"\n" GUEST, 3, "[port.uplink] mtu = \" 1500\": not a plain decimal"},
	{PORT "mtu = 1 500\n" GUEST, 3, "[port.uplink] mtu = \"1 500\": not a plain decimal"},
	{PORT "mtu =\n" GUEST, 3, "[port.uplink] mtu = \"\": not a plain decimal number"},
	{PORT "mtu = \"\"\n" GUEST, 3, "[port.uplink] mtu = \"\": not a plain decimal number"},
	{PORT "mtu = 67\n" GUEST, 3,
	 "[port.uplink] mtu = \"67\": out of range; allowed: a number from 68"},
	{PORT "mtu = 9703\n" GUEST, 3, "[port.uplink] mtu = \"9703\": out of range"},
	{PORT "mtu = 67036\n" GUEST, 3,
	 "[port.uplink] mtu = \"67036\": out of range"}, /* 2^16 + 1500 */
	{PORT "mtu = 18446744073709553116\n" GUEST, 3,	 /* 2^64 + 1500 */
	 "[port.uplink] mtu = \"18446744073709553116\": out of range"},
	{PORT GUEST "[iotlb]\nmax_entries = 4294967360\n", 7, /* 2^32 + 64 */
	 "[iotlb] max_entries = \"4294967360\": out of range"},
	{PORT "queues = 0\n" GUEST, 3, "[port.uplink] queues = \"0\": out of range"},
	{PORT GUEST "queues = 129\n", 6, "[guest.vm1] queues = \"129\": out of range"},
	{PORT "descriptors = 1000\n" GUEST, 3,
	 "[port.uplink] descriptors = \"1000\": not a power of 2; allowed: a power of 2 from 64 to "
	 "32768"},
	{PORT "descriptors = 65536\n" GUEST, 3,
	 "[port.uplink] descriptors = \"65536\": out of range"},
	{PORT GUEST "permissions = 660x\n", 6,
	 "[guest.vm1] permissions = \"660x\": not a file mode"},
	{PORT GUEST "permissions = 0668\n", 6,
	 "[guest.vm1] permissions = \"0668\": not a file mode"},
	{PORT GUEST "permissions = 66\n", 6, "[guest.vm1] permissions = \"66\": not a file mode"},
	{PORT GUEST "permissions = 00660\n", 6,
	 "[guest.vm1] permissions = \"00660\": not a file mode"},
	{PORT GUEST "permissions = 4755\n", 6,
	 "[guest.vm1] permissions = \"4755\": a socket has no set"},

	/* words */
	{PORT GUEST "viommu = yse\n", 6,
	 "[guest.vm1] viommu = \"yse\": no such choice, did you mean \"yes\"?; allowed: yes, no, "
	 "true"},
	{PORT GUEST "viommu = 1\n", 6, "[guest.vm1] viommu = \"1\": no such choice"},
	{PORT GUEST "mode = severr\n", 6,
	 "[guest.vm1] mode = \"severr\": no such choice, did you mean "
	 "\"server\"?; allowed: server, client"},
	{PORT GUEST "[log]\nlevel = loud\n", 7,
	 "[log] level = \"loud\": no such choice; allowed: err, "
	 "warning, notice, info, debug"},
	{PORT GUEST "[dpdk]\nhugepages = yes\n", 7,
	 "[dpdk] hugepages = \"yes\": no such choice; allowed: auto, require, none"},

	/* cores */
	{PORT GUEST "[pmd]\ncores = 1023\n", 7, "[pmd] cores = \"1023\": CPU 1023 does not exist"},
	{PORT GUEST "[pmd]\ncores = 0-1023\n", 7, "[pmd] cores = \"0-1023\": CPU "},
	{PORT GUEST "[pmd]\ncores = 1024\n", 7, "[pmd] cores = \"1024\": there is no such CPU"},
	{PORT GUEST "[pmd]\ncores = 99999999999999999999\n", 7,
	 "[pmd] cores = \"99999999999999999999\": there is no such CPU"},
	{PORT GUEST "[pmd]\ncores = 0,0\n", 7, "[pmd] cores = \"0,0\": a CPU is given twice"},
	{PORT GUEST "[pmd]\ncores = 1-0\n", 7, "[pmd] cores = \"1-0\": not a list of CPU numbers"},
	{PORT GUEST "[pmd]\ncores = 0,\n", 7, "[pmd] cores = \"0,\": not a list of CPU numbers"},
	{PORT GUEST "[pmd]\ncores = 0x1\n", 7, "[pmd] cores = \"0x1\": not a list of CPU numbers"},
	{PORT GUEST "[pmd]\ncores = -1\n", 7, "[pmd] cores = \"-1\": not a list of CPU numbers"},
	{PORT GUEST "[pmd]\ncores =\n", 7, "[pmd] cores = \"\": not a list of CPU numbers"},

	/* accounts */
	{PORT GUEST "owner = no-such-user\n", 6,
	 "[guest.vm1] owner = \"no-such-user\": no such user"},
	{PORT GUEST "group = no-such-group\n", 6,
	 "[guest.vm1] group = \"no-such-group\": no such group"},
	{PORT GUEST "owner = 4294967295\n", 6,
	 "[guest.vm1] owner = \"4294967295\": id out of range"},
	{PORT GUEST "group = 99999999999999999999\n", 6,
	 "[guest.vm1] group = \"99999999999999999999\": id out of range"},
	{PORT GUEST "owner = 0x0\n", 6, "[guest.vm1] owner = \"0x0\": no such user"},

	/* sockets */
	{PORT "[guest.a]\nwire = uplink\nsocket = vm1.sock\n", 5,
	 "[guest.a] socket = \"vm1.sock\": not an absolute path"},
	{PORT "[guest.a]\nwire = uplink\nsocket = /run/\n", 5,
	 "[guest.a] socket = \"/run/\": names no file"},
	{PORT "[guest.a]\nwire = uplink\nsocket = /\n", 5,
	 "[guest.a] socket = \"/\": names no file"},
	{PORT "[guest.a]\nwire = uplink\nsocket = \"\"\n", 5,
	 "[guest.a] socket = \"\": not an absolute path"},
	{PORT "[guest.a]\nwire = uplink\nsocket = /0123456789/0123456789/0123456789/0123456789/"
	      "0123456789/0123456789/0123456789/0123456789/012345678901\n",
	 5,
	 "[guest.a] socket = \"/0123456789/0123456789/0123456789/0123456789/0123456789/"
	 "0123456789/0123456789/0123456789/012345678901\": longer than a socket address holds; "
	 "allowed: "
	 "an absolute path of up to 100 bytes"},
	{PORT GUEST "[port.b]\ndevargs = net_null1\n[guest.b]\nsocket = /run/vunetd/vm1.sock\n"
		    "wire = b\n",
	 9, "[guest.b] socket = \"/run/vunetd/vm1.sock\": is the socket of [guest.vm1] already"},
	{PORT
	 "[guest.a]\nsocket = /tmp/s\nwire = uplink\n[port.b]\ndevargs = net_null1\n[guest.b]\n"
	 "socket = /tmp//s\nwire = b\n",
	 9, "[guest.b] socket = \"/tmp//s\": is the socket of [guest.a] already"},
	{PORT
	 "[guest.a]\nsocket = /tmp/s\nwire = uplink\n[port.b]\ndevargs = net_null1\n[guest.b]\n"
	 "socket = /proc/../tmp/s\nwire = b\n",
	 9, "[guest.b] socket = \"/proc/../tmp/s\": is the socket of [guest.a] already"},

	/* ports */
	{PORT "[guest.a]\nsocket = /a\nwire = upilnk\n", 5,
	 "[guest.a] wire = \"upilnk\": there is no [port.upilnk], did you mean \"uplink\"?"},
	{PORT "[guest.a]\nsocket = /a\nwire = lan\n", 5,
	 "[guest.a] wire = \"lan\": there is no [port.lan]; allowed: NAME of a [port.NAME]"},
	{PORT "[guest.a]\nsocket = /a\nwire = \"\"\n", 5,
	 "[guest.a] wire = \"\": there is no [port.]"},
	{PORT GUEST "[guest.b]\nsocket = /b\nwire = uplink\n", 8,
	 "[guest.b] wire = \"uplink\": [guest.vm1] is wired to that port already"},
	{PORT GUEST "queues = 2\n", 6,
	 "[guest.vm1] queues = \"2\": more queue pairs than [port.uplink] "
	 "has queues; allowed: a number from 1 to 1"},
	{PORT GUEST "cores = 1022\n", 6,
	 "[guest.vm1] cores = \"1022\": not all of them are in [pmd] cores; allowed: any, or CPUs "
	 "among "},
	{PORT GUEST "cores = 3,3\n", 6, "[guest.vm1] cores = \"3,3\": a CPU is given twice"},
	{PORT GUEST "cores = all\n", 6,
	 "[guest.vm1] cores = \"all\": not a list of CPU numbers such as 1,3-5; allowed: CPU "
	 "numbers such as 1,3-5 from [pmd] cores, or any"},
	{PORT GUEST "[port.b]\ndevargs = \"net_tap0,iface=other\"\n", 7,
	 "[port.b] devargs = \"net_tap0,iface=other\": is the device of [port.uplink] already"},
	{"[port.uplink]\ndevargs = \"\"\n" GUEST, 2, "[port.uplink] devargs = \"\": empty"},
};

/* Refused, and the first line reported is about the right thing */
static void expect_refusal(const struct refusal *r)
{
	struct loaded l = load_text(r->text);
	char place[64];

	if (r->line)
		snprintf(place, sizeof(place), "%s:%u: ", l.path, r->line);
	else
		snprintf(place, sizeof(place), "%s: ", l.path);
	if (l.ret != -EINVAL || l.conf || strncmp(l.errors, place, strlen(place)) != 0)
		fail_msg("%d, wanted \"%s...\" for:\n%s\ngot:\n%s", l.ret, place, r->text,
			 l.errors);
	if (r->says) {
		if (strncmp(l.errors + strlen(place), r->says, strlen(r->says)) != 0)
			fail_msg("wanted \"%s\" for:\n%s\ngot:\n%s", r->says, r->text, l.errors);
		if (strchr(l.errors, '\n') != l.errors + strlen(l.errors) - 1)
			fail_msg("one fault in:\n%s\ngot:\n%s", r->text, l.errors);
	}
	loaded_fini(&l);
}

static void test_conf_load_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		expect_refusal(&refusals[i]);
}

static void test_conf_load_reports_everything(void **state)
{
	struct loaded l = load_text("[pmd]\ncores = x\n[iotlb]\nmax_entries = 1\nmax = 2\n[what]\n"
				    "[port.p]\nmtu = y\n[guest.g]\nsocket = s\nviommu = z\n");
	unsigned int lines = 0;

	(void)state;
	assert_int_equal(l.ret, -EINVAL);
	for (const char *c = l.errors; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 9); /* of them two are keys that must be given */
	loaded_fini(&l);
}

static void test_conf_load_refuses_control_characters(void **state)
{
	static const char text[] = PORT GUEST "viommu = yes\0no\n";
	struct loaded l = load_bytes(text, sizeof(text) - 1);

	(void)state;
	assert_int_equal(l.ret, -EINVAL);
	assert_non_null(strstr(l.errors, ":6: holds control characters"));
	loaded_fini(&l);
}

static void test_conf_load_refuses_long_line(void **state)
{
	char text[4096];
	struct loaded l;

	(void)state;
	snprintf(text, sizeof(text), "%s%s[dpdk]\nargs = %0*d\n", PORT, GUEST, 1500, 1);
	l = load_text(text);
	assert_int_equal(l.ret, -EINVAL);
	assert_non_null(strstr(l.errors, ":7: longer than 1000 characters"));
	loaded_fini(&l);
}

static void test_conf_load_refuses_too_many(void **state)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct loaded l;

	(void)state;
	fputs(GUEST, out);
	fputs(PORT, out);
	for (int i = 0; i < CONF_PORTS_MAX; i++)
		fprintf(out, "[port.p%d]\ndevargs = net_null%d\n", i, i);
	fclose(out);
	l = load_text(text);
	assert_int_equal(l.ret, -EINVAL);
	assert_non_null(strstr(l.errors, ": 257 [port.NAME] sections; allowed: 1 to 256 of them"));
	loaded_fini(&l);
	free(text);
}

static void test_conf_load_unreadable(void **state)
{
	char folder[] = "/tmp/conf_test.XXXXXX";
	struct loaded l;

	(void)state;
	l = load_path("/no/such/file");
	assert_int_equal(l.ret, -ENOENT);
	assert_string_equal(l.errors, "/no/such/file: cannot be read: No such file or directory\n");
	assert_null(l.conf);
	loaded_fini(&l);

	assert_non_null(mkdtemp(folder));
	l = load_path(folder);
	assert_int_equal(l.ret, -EISDIR);
	assert_non_null(strstr(l.errors, ": cannot be read: Is a directory\n"));
	loaded_fini(&l);

	l = load_path("/dev/null");
	assert_int_equal(l.ret, -ENOTSUP);
	assert_non_null(strstr(l.errors, ": cannot be read: Not a regular file\n"));
	loaded_fini(&l);
	rmdir(folder);
}

/* Half a file is accepted or refused, never anything else */
static void test_conf_load_truncated_anywhere(void **state)
{
	static const char whole[] =
		"[pmd]\ncores = last\n" PORT "mtu = 1500\n" GUEST "viommu = yes\n";

	(void)state;
	for (size_t size = 0; size < sizeof(whole); size++) {
		struct loaded l = load_bytes(whole, size);

		assert_true(l.ret == 0 || l.ret == -EINVAL);
		assert_true((l.ret == 0) == (l.errors[0] == '\0'));
		assert_true((l.ret == 0) == (l.conf != NULL));
		loaded_fini(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf_load_refusals),
		cmocka_unit_test(test_conf_load_reports_everything),
		cmocka_unit_test(test_conf_load_refuses_control_characters),
		cmocka_unit_test(test_conf_load_refuses_long_line),
		cmocka_unit_test(test_conf_load_refuses_too_many),
		cmocka_unit_test(test_conf_load_unreadable),
		cmocka_unit_test(test_conf_load_truncated_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
