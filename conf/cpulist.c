/* SPDX-License-Identifier: BSD-3-Clause */
/* cpulist.c - CPU numbers as "1,3-5", and which CPUs there are */
#include "conf/cpulist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/**
 * number() - Read one CPU number
 * @text:	Moved past the digits
 * @ret_cpu:	The number
 *
 * Return: 0, -EINVAL without a digit, -ERANGE for CPU_SETSIZE or more
 */
static int number(const char **text, unsigned int *ret_cpu)
{
	size_t digits = strspn(*text, "0123456789");
	unsigned long cpu;

	if (digits == 0)
		return -EINVAL;
	cpu = strtoul(*text, NULL, 10); /* saturates, which is out of range too */
	if (cpu >= CPU_SETSIZE)
		return -ERANGE;
	*text += digits;
	*ret_cpu = (unsigned int)cpu;
	return 0;
}

/**
 * range() - Read "3" or "3-5"
 * @text:	Moved past it
 * @set:	The CPUs are added
 *
 * Return: 0, -EINVAL, -ERANGE or -EEXIST
 */
static int range(const char **text, cpu_set_t *set)
{
	unsigned int first, last;
	int ret = number(text, &first);

	if (ret)
		return ret;
	last = first;
	if (**text == '-') {
		++*text;
		ret = number(text, &last);
		if (ret)
			return ret;
		if (last < first)
			return -EINVAL;
	}
	for (unsigned int cpu = first; cpu <= last; cpu++) {
		if (CPU_ISSET(cpu, set))
			return -EEXIST;
		CPU_SET(cpu, set);
	}
	return 0;
}

int cpulist_parse(const char *text, cpu_set_t *ret_set)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (;;) {
		text += strspn(text, " \t");

		int ret = range(&text, &set);
		if (ret)
			return ret;
		text += strspn(text, " \t");
		if (*text == '\0')
			break;
		if (*text++ != ',')
			return -EINVAL;
	}
	*ret_set = set;
	return 0;
}

void cpulist_format(const cpu_set_t *set, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		char item[32];
		int last = cpu;

		if (!CPU_ISSET(cpu, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		if (last > cpu)
			snprintf(item, sizeof(item), "%s%d-%d", used ? "," : "", cpu, last);
		else
			snprintf(item, sizeof(item), "%s%d", used ? "," : "", cpu);
		if (used + strlen(item) + sizeof("...") > size) {
			snprintf(buf + used, size - used, "...");
			return;
		}
		used += (size_t)snprintf(buf + used, size - used, "%s", item);
		cpu = last;
	}
}

int cpulist_reach(cpu_set_t *ret_set)
{
	cpu_set_t before, all;

	if (sched_getaffinity(0, sizeof(before), &before))
		return -errno;
	/*
	 * The affinity we started with is not the limit: isolcpus= takes CPUs
	 * out of it just so that programs like this one can be pinned to them.
	 * Ask for all, and the kernel answers with those that it grants.
	 */
	memset(&all, 0xff, sizeof(all));
	if (sched_setaffinity(0, sizeof(all), &all)) {
		*ret_set = before; /* a seccomp filter may forbid it */
		return 0;
	}

	int ret = sched_getaffinity(0, sizeof(*ret_set), ret_set) ? -errno : 0;
	sched_setaffinity(0, sizeof(before), &before);
	return ret;
}
