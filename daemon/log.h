/* SPDX-License-Identifier: BSD-3-Clause */
/* log.h - One line to stderr per event, with journald priorities under systemd
 *
 * Threads: log_init() before others start; the log functions from the control
 * thread and from library threads (one write(2) a line, so lines stay whole).
 * Never from a PMD thread.
 */
#ifndef VUNETD_LOG_H
#define VUNETD_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"

/**
 * log_init() - Choose the level, and take over EAL's and librte_vhost's logs
 * @level:	Least severe level written
 *
 * Call it before rte_eal_init(), which logs from its first line on.
 */
void log_init(enum conf_log_level level);

/**
 * log_at() - Write one line
 * @level:	Severity
 * @fmt:	printf format without a newline
 */
void log_at(enum conf_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...)	 log_at(CONF_LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_at(CONF_LOG_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_at(CONF_LOG_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_at(CONF_LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_at(CONF_LOG_DEBUG, __VA_ARGS__)

/**
 * struct log_limit - At most LOG_LIMIT_BURST lines a second from one place
 * @second:	The second being counted
 * @n:		Lines wanted in it
 */
struct log_limit {
	uint64_t second;
	uint32_t n;
};

#define LOG_LIMIT_BURST 5

/**
 * log_limit_ok() - Whether a line that a guest can provoke may be written now
 * @limit:	Of the guest
 *
 * The first line of a new second tells how many were left out.
 */
bool log_limit_ok(struct log_limit *limit);

#endif /* VUNETD_LOG_H */
