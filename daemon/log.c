/* SPDX-License-Identifier: BSD-3-Clause */
/* log.c - One line to stderr per event, with journald priorities under systemd */
#include "daemon/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <rte_log.h>

static enum conf_log_level log_level = CONF_LOG_INFO;
static bool to_journal;

/* How each level is called, by sd-daemon(3) and by DPDK */
static const struct {
	int priority;
	uint32_t rte_level;
	const char *name;
} levels[] = {
	[CONF_LOG_ERR] = {LOG_ERR, RTE_LOG_ERR, "error"},
	[CONF_LOG_WARNING] = {LOG_WARNING, RTE_LOG_WARNING, "warning"},
	[CONF_LOG_NOTICE] = {LOG_NOTICE, RTE_LOG_NOTICE, "notice"},
	[CONF_LOG_INFO] = {LOG_INFO, RTE_LOG_INFO, "info"},
	[CONF_LOG_DEBUG] = {LOG_DEBUG, RTE_LOG_DEBUG, "debug"},
};

void log_at(enum conf_log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list args;
	size_t len;
	int n;

	if (level > log_level)
		return;
	if (to_journal)
		n = snprintf(line, sizeof(line), "<%d>", levels[level].priority);
	else
		n = snprintf(line, sizeof(line), "vunetd: %s: ", levels[level].name);
	len = (size_t)n;
	va_start(args, fmt);
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, args);
	va_end(args);
	if (n > 0)
		len += (size_t)n < sizeof(line) - len - 1 ? (size_t)n : sizeof(line) - len - 2;
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0) {
		/* Nowhere left to say so */
	}
}

/**
 * rte_line() - Write a line of EAL's or a library's through ours
 * @cookie:	Unused
 * @buf:	Text, usually one whole line
 * @size:	Bytes of it
 *
 * What DPDK calls "info" is of use to its developers: it is our debug.
 */
static ssize_t rte_line(void *cookie, const char *buf, size_t size)
{
	enum conf_log_level level = CONF_LOG_ERR;
	uint32_t rte_level = (uint32_t)rte_log_cur_msg_loglevel();
	int len = (int)size;

	(void)cookie;
	while (level < CONF_LOG_DEBUG && levels[level].rte_level < rte_level)
		level++;
	if (level == CONF_LOG_INFO)
		level = CONF_LOG_DEBUG;
	while (len > 0 && (buf[len - 1] == '\n' || buf[len - 1] == ' '))
		len--;
	if (len > 0)
		log_at(level, "%.*s", len, buf);
	return (ssize_t)size;
}

/**
 * stderr_is_journal() - Whether what we write goes to journald
 *
 * systemd.exec(5), $JOURNAL_STREAM: device and inode of that stream.
 */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	char *end;
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st))
		return false;
	dev = strtoull(stream, &end, 10);
	if (*end != ':')
		return false;
	ino = strtoull(end + 1, NULL, 10);
	return st.st_dev == dev && st.st_ino == ino;
}

void log_init(enum conf_log_level level)
{
	cookie_io_functions_t io = {.write = rte_line};
	FILE *stream = fopencookie(NULL, "w", io);

	log_level = level;
	to_journal = stderr_is_journal();
	if (stream) {
		setvbuf(stream, NULL, _IOLBF, 0);
		rte_openlog_stream(stream);
	}
	/* Levels below what will be written need not be formatted at all */
	rte_log_set_global_level(level == CONF_LOG_DEBUG ? RTE_LOG_DEBUG : RTE_LOG_NOTICE);
}

bool log_limit_ok(struct log_limit *limit)
{
	uint64_t second = (uint64_t)time(NULL);

	if (second != limit->second) {
		if (limit->n > LOG_LIMIT_BURST)
			log_warning("%u similar lines were left out", limit->n - LOG_LIMIT_BURST);
		limit->second = second;
		limit->n = 0;
	}
	return limit->n++ < LOG_LIMIT_BURST;
}
