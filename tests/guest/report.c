/* SPDX-License-Identifier: BSD-3-Clause */
/* report.c - Rates while running, and the summary
 *
 * One table names each counter once: the summary in both forms and the verdict
 * are projections of it.
 */
#include "tests/guest/report.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tests/guest/clock.h"
#include "tests/guest/guest.h"

/**
 * struct counter - A counter and whether it may be anything but 0
 */
struct counter {
	const char *name;
	size_t offset;
	bool bad;
};

#define S(name, bad)                                     \
	{                                                \
#name, offsetof(struct stats, name), bad \
	}

static const struct counter counters[] = {
	S(rx_frames, false),	    S(rx_bytes, false),	   S(tx_frames, false),
	S(tx_bytes, false),	    S(dropped, false),	   S(malformed, true),
	S(echoed, false),	    S(lost, true),	   S(reordered, true),
	S(corrupt, true),	    S(foreign, false),	   S(poison_checks, false),
	S(poison_violations, true), S(calls, false),	   S(calls_missed, true),
	S(hdr_errors, true),	    S(csum_errors, true),  S(leaked, true),
	S(tx_payload, false),	    S(rx_payload, false),  S(tx_segments, false),
	S(tx_partial, false),	    S(tx_gso, false),	   S(rx_valid, false),
	S(tx_left, false),	    S(toggles, false),	   S(tx_doomed, false),
	S(rx_gso, false),	    S(tx_bad, false),	   S(tx_too_big, false),
	S(log_rounds, false),	    S(log_changed, false), S(log_marked, false),
	S(log_unchanged, false),    S(log_missed, true),   S(log_stray, true),
	S(migrations, false),	    S(plugs, false),	   S(moves, false),
	S(revivals, false),	    S(outage_ms, false),   S(cut, false),
};

/**
 * struct sums - What the devices count, added up
 */
struct sums {
	uint64_t kicks;
	uint64_t ring_errors;
	uint64_t misses;
	uint64_t updates;
	uint64_t invalidations;
	uint64_t faults;
	uint64_t update_ns;
	uint64_t invalidate_ns;
};

/**
 * value_of() - Read a counter
 */
static uint64_t value_of(const struct stats *s, const struct counter *c)
{
	return *(const uint64_t *)((const char *)s + c->offset);
}

/**
 * sum_up() - Add up what the devices count
 */
static struct sums sum_up(const struct guest *g)
{
	struct sums s = {0};
	unsigned int i, j;

	for (i = 0; i < g->n_devices; i++) {
		const struct device *d = &g->devices[i];

		for (j = 0; j < 2 * g->opt->pairs; j++) {
			s.kicks += d->rings[j].kicks;
			s.ring_errors += d->rings[j].errors;
		}
		s.misses += d->iommu.misses;
		s.updates += d->iommu.updates;
		s.invalidations += d->iommu.invalidations;
		s.faults += d->iommu.faults;
		s.update_ns += d->iommu.wait_ns[0];
		s.invalidate_ns += d->iommu.wait_ns[1];
	}
	return s;
}

void report_line(struct guest *g, uint64_t now)
{
	double s = (double)(now - (g->line_ns - g->opt->interval * NS_PER_S)) / NS_PER_S;
	struct stats *l = &g->last, *c = &g->stats;
	struct sums sums = sum_up(g);

	printf("%4llu s  rx %8.4f Mpps %6.2f Gbit/s  tx %8.4f Mpps %6.2f Gbit/s  misses %llu  "
	       "invalidations %llu\n",
	       (unsigned long long)((now - g->start_ns + NS_PER_S / 2) / NS_PER_S),
	       (double)(c->rx_frames - l->rx_frames) / s / 1e6,
	       (double)(c->rx_bytes - l->rx_bytes) * 8 / s / 1e9,
	       (double)(c->tx_frames - l->tx_frames) / s / 1e6,
	       (double)(c->tx_bytes - l->tx_bytes) * 8 / s / 1e9, (unsigned long long)sums.misses,
	       (unsigned long long)sums.invalidations);
	fflush(stdout);
	*l = *c;
}

/**
 * wrongs() - Add up what must not happen
 */
static uint64_t wrongs(const struct guest *g)
{
	uint64_t n = sum_up(g).ring_errors;
	size_t i;

	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		if (counters[i].bad)
			n += value_of(&g->stats, &counters[i]);
	return n;
}

void report_so_far(const struct guest *g)
{
	printf("so far rx_frames=%llu wrong=%llu\n", (unsigned long long)g->stats.rx_frames,
	       (unsigned long long)wrongs(g));
	fflush(stdout);
}

bool report_good(const struct guest *g)
{
	return !wrongs(g);
}

/**
 * print_word() - One word of the summary
 */
static void print_word(const struct guest *g, const char *name, const char *value)
{
	printf(g->opt->json ? ", \"%s\": \"%s\"" : "%s=%s\n", name, value);
}

/**
 * print_count() - One number of the summary
 */
static void print_count(const struct guest *g, const char *name, uint64_t value)
{
	printf(g->opt->json ? ", \"%s\": %llu" : "%s=%llu\n", name, (unsigned long long)value);
}

/**
 * print_rate() - One fraction of the summary
 */
static void print_rate(const struct guest *g, const char *name, double value)
{
	printf(g->opt->json ? ", \"%s\": %.6f" : "%s=%.6f\n", name, value);
}

void report_summary(const struct guest *g)
{
	double s = (double)(g->stop_ns - g->start_ns) / NS_PER_S;
	struct sums sums = sum_up(g);
	size_t i;

	if (g->opt->json)
		printf("{\"program\": \"vunet-guest\"");
	print_word(g, "mode", options_name("mode", g->opt->mode));
	print_word(g, "viommu", options_name("viommu", g->opt->viommu));
	print_word(g, "map", options_name("map", g->opt->map));
	print_word(g, "ring", g->opt->packed ? "packed" : "split");
	print_rate(g, "seconds", s);
	print_rate(g, "cpu_share",
		   s > 0 ? (double)(g->stop_cpu_ns - g->start_cpu_ns) / NS_PER_S / s : 0);
	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		print_count(g, counters[i].name, value_of(&g->stats, &counters[i]));
	print_count(g, "kicks", sums.kicks);
	print_count(g, "ring_errors", sums.ring_errors);
	print_count(g, "misses", sums.misses);
	print_count(g, "updates", sums.updates);
	print_count(g, "invalidations", sums.invalidations);
	print_count(g, "faults", sums.faults);
	/* Of one message, sent alone: to be taken from the time of a frame */
	if (sums.update_ns)
		print_rate(g, "update_us", (double)sums.update_ns / 1e3 / (double)sums.updates);
	if (sums.invalidate_ns)
		print_rate(g, "invalidate_us",
			   (double)sums.invalidate_ns / 1e3 / (double)sums.invalidations);
	print_rate(g, "rx_mpps", s > 0 ? (double)g->stats.rx_frames / s / 1e6 : 0);
	print_rate(g, "tx_mpps", s > 0 ? (double)g->stats.tx_frames / s / 1e6 : 0);
	print_word(g, "verdict", report_good(g) && !g->error ? "good" : "bad");
	if (g->opt->json)
		puts("}");
	fflush(stdout);
}
