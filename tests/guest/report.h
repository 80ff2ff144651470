/* SPDX-License-Identifier: BSD-3-Clause */
/* report.h - Rates while running, and the summary */
#ifndef GUEST_REPORT_H
#define GUEST_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct guest;

/**
 * report_line() - Print the rates since the last line
 * @g:		Guest
 * @now:	Time
 */
void report_line(struct guest *g, uint64_t now);

/**
 * report_so_far() - Print how many frames arrived, and how much is wrong
 * @g:	Guest
 *
 * Frames that are on their way are neither.
 */
void report_so_far(const struct guest *g);

/**
 * report_summary() - Print all counters, as key=value lines or as JSON
 * @g:	Guest whose traffic has ended
 */
void report_summary(const struct guest *g);

/**
 * report_good() - Whether nothing happened that must not happen
 * @g:	Guest whose traffic has ended
 */
bool report_good(const struct guest *g);

#endif /* GUEST_REPORT_H */
