/* SPDX-License-Identifier: BSD-3-Clause */
/* strangers.h - Sections, names and keys that may not stand in the file */
#ifndef VUNETD_CONF_STRANGERS_H
#define VUNETD_CONF_STRANGERS_H

struct conf_report;
struct scan;

/**
 * strangers_refuse() - Report all of them, with what was probably meant
 * @report:	Report
 * @scan:	Everything in the file
 */
void strangers_refuse(struct conf_report *report, const struct scan *scan);

#endif /* VUNETD_CONF_STRANGERS_H */
