/* SPDX-License-Identifier: BSD-3-Clause */
/* check.h - What must hold between keys, each of which is right by itself */
#ifndef VUNETD_CONF_CHECK_H
#define VUNETD_CONF_CHECK_H

#include "conf/conf.h"

struct conf_report;

/* conf_guest.wire of a guest whose wire was refused: checks pass over it */
#define WIRE_REFUSED ((unsigned int)-1)

/**
 * check_all() - Report everything in which sections do not fit together
 * @report:	Report
 * @conf:	All that could be read; refused values are 0, NULL or WIRE_REFUSED
 */
void check_all(struct conf_report *report, const struct conf *conf);

#endif /* VUNETD_CONF_CHECK_H */
