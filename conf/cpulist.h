/* SPDX-License-Identifier: BSD-3-Clause */
/* cpulist.h - CPU numbers as "1,3-5", and which CPUs there are */
#ifndef VUNETD_CONF_CPULIST_H
#define VUNETD_CONF_CPULIST_H

#include <sched.h>
#include <stddef.h>

/**
 * cpulist_parse() - Read a list of CPU numbers
 * @text:	Such as "1,3-5"
 * @ret_set:	The CPUs
 *
 * Return: 0; -EINVAL for anything that is not such a list; -ERANGE for a
 *	number of CPU_SETSIZE or more; -EEXIST for a CPU given twice
 */
int cpulist_parse(const char *text, cpu_set_t *ret_set);

/**
 * cpulist_format() - Write a list of CPU numbers
 * @set:	CPUs
 * @buf:	Filled with such as "0-1,4", cut off with "..." if need be
 * @size:	Of @buf, at least 8
 */
void cpulist_format(const cpu_set_t *set, char *buf, size_t size);

/**
 * cpulist_reach() - CPUs that a thread of this process can be pinned to
 * @ret_set:	Online, and inside the process's cpuset
 *
 * Context: leaves the calling thread's affinity as it was
 * Return: 0 or -errno
 */
int cpulist_reach(cpu_set_t *ret_set);

#endif /* VUNETD_CONF_CPULIST_H */
