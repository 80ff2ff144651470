/* SPDX-License-Identifier: BSD-3-Clause */
/* options.c - Command-line options from one table */
#include "tests/guest/options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Headers of up to 90 bytes, and segments of 64 at least */
#define SIZE_STREAMS_MIN 200

#define N_ELEMS(a) (sizeof(a) / sizeof((a)[0]))

enum kind {
	KIND_FLAG,
	KIND_U32,
	KIND_U64,
	KIND_I32,
	KIND_CHOICE,
	KIND_SOCKET,
	KIND_PATH,
	KIND_SIZES,
	KIND_SECONDS
};

/**
 * struct choice - A word and what it stands for; the list ends with a NULL word
 */
struct choice {
	const char *word;
	uint32_t value;
};

static const struct choice modes[] = {{"l2fwd", MODE_L2FWD},   {"tx", MODE_TX},
				      {"rx", MODE_RX},	       {"verify", MODE_VERIFY},
				      {"poison", MODE_POISON}, {NULL, 0}};
static const struct choice viommus[] = {{"off", 0}, {"4k", 12}, {"2m", 21}, {"1g", 30}, {NULL, 0}};
static const struct choice pages[] = {{"4k", 12}, {"2m", 21}, {"1g", 30}, {NULL, 0}};
static const struct choice maps[] = {{"static-demand", MAP_STATIC_DEMAND},
				     {"static-push", MAP_STATIC_PUSH},
				     {"dynamic", MAP_DYNAMIC},
				     {NULL, 0}};
static const struct choice rings[] = {
	{"scattered", RINGS_SCATTERED}, {"contiguous", RINGS_CONTIGUOUS}, {NULL, 0}};
static const struct choice offloads[] = {
	{"off", OFFLOADS_OFF}, {"csum", OFFLOADS_CSUM}, {"all", OFFLOADS_ALL}, {NULL, 0}};
static const struct choice on_off[] = {{"off", 0}, {"on", 1}, {NULL, 0}};

/**
 * struct spec - One option
 * @name:	Long name
 * @key:	Short letter or 0
 * @kind:	How the argument is read
 * @offset:	Of the member of struct options
 * @min:	Least number allowed
 * @max:	Largest number allowed
 * @def:	Default
 * @choices:	Words, for KIND_CHOICE
 * @help:	A sentence
 */
struct spec {
	const char *name;
	char key;
	enum kind kind;
	size_t offset;
	uint64_t min;
	uint64_t max;
	uint64_t def;
	const struct choice *choices;
	const char *help;
};

#define O(m) offsetof(struct options, m)

static const struct spec specs[] = {
	{"socket", 's', KIND_SOCKET, 0, 0, 0, 0, NULL,
	 "vhost-user socket; give it twice to bridge two devices"},
	{"mode", 'm', KIND_CHOICE, O(mode), 0, 0, MODE_L2FWD, modes,
	 "what to do with frames; see the list above"},
	{"server", 0, KIND_FLAG, O(server), 0, 0, 0, NULL,
	 "listen on the socket instead of connecting"},
	{"pairs", 'p', KIND_U32, O(pairs), 1, PAIRS_MAX, 1, NULL, "queue pairs"},
	{"viommu", 'i', KIND_CHOICE, O(viommu), 0, 0, 0, viommus,
	 "page size of the vIOMMU; neighbouring pages are scattered"},
	{"map", 0, KIND_CHOICE, O(map), 0, 0, MAP_STATIC_DEMAND, maps,
	 "mappings answered on demand, pushed first, or made per frame"},
	{"push", 0, KIND_FLAG, O(push), 0, 0, 0, NULL,
	 "dynamic: send mappings before they are asked"},
	{"batch", 0, KIND_FLAG, O(batch), 0, 0, 0, NULL,
	 "dynamic: answer misses and unmap a burst at a time, acknowledged together"},
	{"rw", 0, KIND_FLAG, O(rw), 0, 0, 0, NULL,
	 "map buffers for reading and writing, not as needed only"},
	{"rings", 0, KIND_CHOICE, O(rings), 0, 0, RINGS_SCATTERED, rings,
	 "let the rings cross pages, or keep them in one piece"},
	{"pages", 0, KIND_CHOICE, O(pages), 0, 0, 12, pages,
	 "pages behind the buffers (2m and 1g must be reserved)"},
	{"poison", 0, KIND_FLAG, O(poison), 0, 0, 0, NULL,
	 "dynamic: released buffers must keep a pattern"},
	{"no-answer", 0, KIND_FLAG, O(no_answer), 0, 0, 0, NULL, "never answer a miss"},
	{"answer-delay-us", 0, KIND_U32, O(answer_delay_us), 0, 10000000, 0, NULL,
	 "answer each miss this much later"},
	{"size", 0, KIND_U32, O(size), 60, 65000, 60, NULL,
	 "frame size in bytes, without FCS (60 is 64 on a wire)"},
	{"sizes", 0, KIND_SIZES, O(size_random), 0, 0, 0, NULL,
	 "'random': any size from 60 to --size (1514 if not given)"},
	{"duration", 'd', KIND_SECONDS, O(duration_ms), 0, 1000000, 0, NULL,
	 "seconds to run, also 0.5; 0: for ever"},
	{"warmup", 0, KIND_SECONDS, O(warmup_ms), 0, 3600, 0, NULL,
	 "seconds to run before that, which count for nothing"},
	{"count", 'c', KIND_U64, O(count), 0, UINT64_MAX, 0, NULL, "frames to move; 0: no bound"},
	{"window", 'w', KIND_U32, O(window), 1, 32768, 128, NULL,
	 "verify: frames on their way at most"},
	{"toggle", 0, KIND_U32, O(toggle_ms), 0, 60000, 0, NULL,
	 "verify: milliseconds between switching a pair, or half of it, off or on"},
	{"log-dirty", 0, KIND_U32, O(log_dirty_ms), 0, 60000, 0, NULL,
	 "milliseconds between checks that the backend logs every page it writes to"},
	{"migrate", 0, KIND_PATH, O(migrate), 0, 0, 0, NULL,
	 "migrate to the backend at this socket, and back, under traffic"},
	{"migrate-ms", 0, KIND_U32, O(migrate_ms), 1, 60000, 100, NULL,
	 "milliseconds between migrations"},
	{"rounds", 0, KIND_U32, O(rounds), 0, UINT32_MAX, 0, NULL,
	 "checks of the log, or migrations, to end after; 0: no bound"},
	{"reconnect", 0, KIND_U32, O(reconnect_ms), 0, 60000, 0, NULL,
	 "when the backend ends, milliseconds between two tries to reach the next"},
	{"slots", 0, KIND_FLAG, O(slots), 0, 0, 0, NULL,
	 "tell of memory region by region, not as a table"},
	{"hotplug", 0, KIND_U32, O(hotplug_ms), 0, 60000, 0, NULL,
	 "milliseconds between adding a region of memory and removing it again"},
	{"readdress", 0, KIND_U32, O(readdress_ms), 0, 60000, 0, NULL,
	 "milliseconds between moving the rings' addresses, with no pause"},
	{"burst", 0, KIND_U32, O(burst), 1, 256, 32, NULL, "frames per round"},
	{"ring-size", 'r', KIND_U32, O(ring_size), 8, 32768, 256, NULL,
	 "entries per ring, a power of two"},
	{"base", 0, KIND_U32, O(base), 0, UINT16_MAX, 0, NULL,
	 "index the rings begin at; near 65536 it wraps soon"},
	{"packed", 0, KIND_FLAG, O(packed), 0, 0, 0, NULL, "packed rings instead of split ones"},
	{"event-idx", 0, KIND_FLAG, O(event_idx), 0, 0, 0, NULL,
	 "say from where on kicks and interrupts are wanted"},
	{"in-order", 0, KIND_FLAG, O(in_order), 0, 0, 0, NULL,
	 "take one used entry for all buffers before it as well"},
	{"buffers", 'b', KIND_U32, O(buffers), 0, 1048576, 0, NULL,
	 "buffers cycled through; 0: twice the ring entries"},
	{"buf-size", 0, KIND_U32, O(buf_size), 128, 65600, 2048, NULL,
	 "bytes per buffer, 12 of them for the virtio header"},
	{"aligned", 0, KIND_FLAG, O(aligned), 0, 0, 0, NULL,
	 "start buffers at a page, so that those of 2048 bytes cross none"},
	{"scatter", 0, KIND_CHOICE, O(scatter), 0, 0, 0, viommus,
	 "without a vIOMMU: scatter buffers all the same, in pieces of this size"},
	{"mergeable", 0, KIND_CHOICE, O(mergeable), 0, 0, 1, on_off, "mergeable receive buffers"},
	{"indirect", 0, KIND_FLAG, O(indirect), 0, 0, 0, NULL, "use indirect descriptors"},
	{"chain", 0, KIND_U32, O(chain), 1, 32, 1, NULL, "descriptors per buffer"},
	{"offloads", 0, KIND_CHOICE, O(offloads), 0, 0, OFFLOADS_OFF, offloads,
	 "leave checksums, and segments, to the backend: tx, rx and verify then are about "
	 "TCP and UDP streams"},
	{"bad-offloads", 0, KIND_FLAG, O(bad_offloads), 0, 0, 0, NULL,
	 "send frames between them whose headers contradict themselves"},
	{"icmpecho", 0, KIND_FLAG, O(icmpecho), 0, 0, 0, NULL, "l2fwd: answer ARP and ping"},
	{"interrupts", 0, KIND_FLAG, O(interrupts), 0, 0, 0, NULL,
	 "sleep when idle and ask for interrupts"},
	{"interval", 0, KIND_U32, O(interval), 0, 3600, 1, NULL, "seconds between lines of rates"},
	{"quiet", 'q', KIND_FLAG, O(quiet), 0, 0, 0, NULL, "print the summary only"},
	{"json", 'j', KIND_FLAG, O(json), 0, 0, 0, NULL, "print the summary as JSON"},
	{"trace", 0, KIND_FLAG, O(trace), 0, 0, 0, NULL, "print every vhost-user message"},
	{"timeout", 't', KIND_U32, O(timeout_ms), 1, 600000, 5000, NULL,
	 "milliseconds each protocol step may take"},
	{"seed", 0, KIND_U32, O(seed), 0, UINT32_MAX, 1, NULL,
	 "of the scatter and of random sizes"},
	{"cpu", 0, KIND_I32, O(cpu), 0, 4095, UINT64_MAX, NULL, "processor to run on"},
};

enum { OPT_HELP = 1000, OPT_VERSION, OPT_FIRST };

/**
 * member() - Where an option is stored
 */
static void *member(struct options *o, const struct spec *s)
{
	return (char *)o + s->offset;
}

/**
 * store() - Write a checked number to an option's member
 */
static void store(struct options *o, const struct spec *s, uint64_t value)
{
	if (s->kind == KIND_FLAG || s->kind == KIND_SIZES)
		*(bool *)member(o, s) = value;
	else if (s->kind == KIND_U64)
		*(uint64_t *)member(o, s) = value;
	else if (s->kind != KIND_SOCKET && s->kind != KIND_PATH)
		*(uint32_t *)member(o, s) = (uint32_t)value;
}

/**
 * parse_number() - Read a number to the end of the word, within bounds
 */
static int parse_number(struct options *o, const struct spec *s, const char *arg)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(arg, &end, 0);
	if (errno || end == arg || *end || *arg == '-' || value < s->min || value > s->max) {
		fprintf(stderr, "vunet-guest: --%s=%s: a number from %llu to %llu is allowed\n",
			s->name, arg, (unsigned long long)s->min, (unsigned long long)s->max);
		return -EINVAL;
	}
	store(o, s, value);
	return 0;
}

/**
 * parse_seconds() - Read seconds with a fraction, within bounds, as milliseconds
 */
static int parse_seconds(struct options *o, const struct spec *s, const char *arg)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(arg, &end);
	/* What is not a number is within no bounds */
	if (errno || end == arg || *end || !(value >= (double)s->min && value <= (double)s->max)) {
		fprintf(stderr, "vunet-guest: --%s=%s: seconds from %llu to %llu are allowed\n",
			s->name, arg, (unsigned long long)s->min, (unsigned long long)s->max);
		return -EINVAL;
	}
	store(o, s, (uint64_t)(value * 1000 + 0.999));
	return 0;
}

/**
 * parse_choice() - Look a word up
 */
static int parse_choice(struct options *o, const struct spec *s, const char *arg)
{
	const struct choice *c;

	for (c = s->choices; c->word; c++) {
		if (strcmp(c->word, arg) == 0) {
			store(o, s, c->value);
			return 0;
		}
	}
	fprintf(stderr, "vunet-guest: --%s=%s: allowed are", s->name, arg);
	for (c = s->choices; c->word; c++)
		fprintf(stderr, " %s", c->word);
	fputc('\n', stderr);
	return -EINVAL;
}

/**
 * parse_socket() - Take one more device
 */
static int parse_socket(struct options *o, const char *arg)
{
	if (o->n_sockets == DEVICES_MAX) {
		fprintf(stderr, "vunet-guest: --socket: at most %d\n", DEVICES_MAX);
		return -EINVAL;
	}
	o->sockets[o->n_sockets++] = arg;
	return 0;
}

/**
 * parse_one() - Dispatch on the kind of an option
 */
static int parse_one(struct options *o, const struct spec *s, const char *arg)
{
	switch (s->kind) {
	case KIND_FLAG:
		store(o, s, 1);
		return 0;
	case KIND_CHOICE:
		return parse_choice(o, s, arg);
	case KIND_SOCKET:
		return parse_socket(o, arg);
	case KIND_PATH:
		*(const char **)member(o, s) = arg;
		return 0;
	case KIND_SECONDS:
		return parse_seconds(o, s, arg);
	case KIND_SIZES:
		if (strcmp(arg, "random") == 0) {
			store(o, s, 1);
			return 0;
		}
		fprintf(stderr, "vunet-guest: --sizes=%s: allowed is 'random'\n", arg);
		return -EINVAL;
	default:
		return parse_number(o, s, arg);
	}
}

/**
 * print_default() - What an option is when not given
 */
static void print_default(const struct spec *s)
{
	if (s->kind == KIND_CHOICE)
		printf(" [%s]", options_name(s->name, (uint32_t)s->def));
	else if (s->kind == KIND_U32 || s->kind == KIND_U64)
		printf(" [%llu]", (unsigned long long)s->def);
}

/**
 * help() - Print --help
 */
static void help(void)
{
	const struct choice *c;
	char left[96];
	size_t i;

	printf("Usage: vunet-guest --socket PATH [--mode MODE] [options]\n\n"
	       "Plays a virtual machine for a vhost-user-net backend: the front-end that QEMU\n"
	       "would be, and the virtio-net driver of its guest, vIOMMU included.\n\n"
	       "Modes:\n"
	       "  l2fwd    send every frame back with its MAC addresses swapped, or with two\n"
	       "           sockets across to the other device\n"
	       "  tx       send as fast as the backend takes\n"
	       "  rx       count what arrives\n"
	       "  verify   send numbered frames, expect them back in order and intact\n"
	       "  poison   receive while pages are taken away; none may change afterwards\n\n"
	       "Options [default]:\n");
	for (i = 0; i < N_ELEMS(specs); i++) {
		const struct spec *s = &specs[i];
		int n = snprintf(left, sizeof(left), "  %c%c --%s", s->key ? '-' : ' ',
				 s->key ? s->key : ' ', s->name);

		if (s->kind == KIND_CHOICE) {
			for (c = s->choices; c->word; c++)
				n += snprintf(left + n, sizeof(left) - (size_t)n, "%c%s",
					      c == s->choices ? ' ' : '|', c->word);
		} else if (s->kind != KIND_FLAG) {
			snprintf(left + n, sizeof(left) - (size_t)n, " %s",
				 s->kind == KIND_SOCKET || s->kind == KIND_PATH ? "PATH"
				 : s->kind == KIND_SIZES			? "random"
										: "N");
		}
		if (strlen(left) > 28)
			printf("%s\n%-30s", left, "");
		else
			printf("%-30s", left);
		printf("%s", s->help);
		print_default(s);
		putchar('\n');
	}
	printf("     --help                   print this and exit\n"
	       "     --version                print the version and exit\n\n"
	       "Exit status: 0 when all is well, 1 when something was lost, changed or touched\n"
	       "that must not be, 2 for a wrong command line, 3 when the backend fails.\n");
}

/**
 * check() - What one option alone does not tell
 */
static int check(const struct options *o)
{
	const char *why = NULL;

	if (o->n_sockets == 0)
		why = "--socket is missing";
	else if (o->ring_size & (o->ring_size - 1))
		why = "--ring-size: a power of two is allowed";
	else if (o->n_sockets > 1 && o->mode != MODE_L2FWD)
		why = "two sockets go with --mode l2fwd only";
	else if (o->toggle_ms && (o->mode != MODE_VERIFY || o->offloads || o->pairs < 2))
		why = "--toggle goes with --mode verify, and two --pairs or more";
	else if (o->reconnect_ms && (o->toggle_ms || o->offloads || o->mode == MODE_POISON ||
				     o->log_dirty_ms || o->migrate))
		why = "--reconnect does not go with --toggle, --offloads, --log-dirty, --migrate "
		      "and "
		      "--mode poison";
	else if ((o->hotplug_ms || o->readdress_ms) && (o->log_dirty_ms || o->migrate))
		why = "--hotplug and --readdress do not go with --log-dirty and --migrate";
	else if (o->map == MAP_DYNAMIC && !o->viommu)
		why = "--map dynamic needs a --viommu";
	else if (o->mode == MODE_POISON && !o->viommu)
		why = "--mode poison needs a --viommu";
	else if (o->mode == MODE_POISON && o->map == MAP_DYNAMIC)
		why = "--mode poison takes pages away itself: no --map dynamic";
	else if (o->poison && o->map != MAP_DYNAMIC)
		why = "--poison goes with --map dynamic (and see --mode poison)";
	else if (o->batch && (o->map != MAP_DYNAMIC || o->poison || o->push))
		why = "--batch goes with --map dynamic, without --poison and --push";
	else if (o->scatter && (o->viommu || !o->aligned || 4096 % o->buf_size))
		why = "--scatter needs --aligned, a --buf-size that divides 4096, no --viommu";
	else if (o->chain * 2 > o->ring_size && !o->indirect)
		why = "--chain: longer than half the ring";
	else if (o->log_dirty_ms && (o->toggle_ms || o->mode == MODE_POISON))
		why = "--log-dirty goes with neither --toggle nor --mode poison";
	else if (o->migrate && (o->toggle_ms || o->log_dirty_ms || o->mode == MODE_POISON ||
				o->pages != 12 || o->n_sockets > 1))
		why = "--migrate goes with one --socket and --pages 4k, without --toggle, "
		      "--log-dirty and --mode poison";
	else if (o->bad_offloads && (!o->offloads || o->mode == MODE_L2FWD))
		why = "--bad-offloads goes with --offloads in mode tx or verify";
	else if (o->offloads && o->size < SIZE_STREAMS_MIN)
		why = "--size: too short for the headers of --offloads";
	else if (o->size + 12 > o->buf_size && ((o->mode == MODE_TX && !o->offloads) ||
						(o->mode == MODE_VERIFY && !o->mergeable)))
		why = "--size: larger than --buf-size less 12";
	if (!why)
		return 0;
	fprintf(stderr, "vunet-guest: %s\n", why);
	return -EINVAL;
}

const char *options_name(const char *option, uint32_t value)
{
	const struct choice *c;
	size_t i;

	for (i = 0; i < N_ELEMS(specs); i++) {
		if (specs[i].kind != KIND_CHOICE || strcmp(specs[i].name, option) != 0)
			continue;
		for (c = specs[i].choices; c->word; c++)
			if (c->value == value)
				return c->word;
	}
	return "?";
}

int options_parse(int argc, char **argv, struct options *ret)
{
	struct option longs[N_ELEMS(specs) + 3] = {{0}};
	char shorts[2 * N_ELEMS(specs) + 1];
	bool size_given = false;
	size_t i, n_shorts = 0;
	int c, err;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < N_ELEMS(specs); i++) {
		const struct spec *s = &specs[i];

		store(ret, s, s->def);
		longs[i].name = s->name;
		longs[i].has_arg = s->kind == KIND_FLAG ? no_argument : required_argument;
		longs[i].val = OPT_FIRST + (int)i;
		if (!s->key)
			continue;
		shorts[n_shorts++] = s->key;
		if (s->kind != KIND_FLAG)
			shorts[n_shorts++] = ':';
	}
	shorts[n_shorts] = '\0';
	longs[i++] = (struct option){"help", no_argument, NULL, OPT_HELP};
	longs[i] = (struct option){"version", no_argument, NULL, OPT_VERSION};

	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct spec *s = NULL;

		if (c == '?')
			return -EINVAL;
		if (c == OPT_HELP) {
			help();
			return 1;
		}
		if (c == OPT_VERSION) {
			printf("vunet-guest %s\n", VUNETD_VERSION);
			return 1;
		}
		for (i = 0; i < N_ELEMS(specs); i++)
			if (c == OPT_FIRST + (int)i || (specs[i].key && c == specs[i].key))
				s = &specs[i];
		size_given |= strcmp(s->name, "size") == 0;
		err = parse_one(ret, s, optarg);
		if (err)
			return err;
	}
	if (optind != argc) {
		fprintf(stderr, "vunet-guest: '%s': options only, see --help\n", argv[optind]);
		return -EINVAL;
	}
	if ((ret->size_random || ret->offloads) && !size_given)
		ret->size = 1514;
	return check(ret);
}
