/* SPDX-License-Identifier: BSD-3-Clause */
/* cores.c - Values that are CPUs to poll on */
#include "conf/cpulist.h"
#include "conf/table.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/**
 * last_of() - Keep only the highest CPU of a set
 * @set:	Not empty
 */
static void last_of(cpu_set_t *set)
{
	int last = CPU_SETSIZE - 1;

	while (last > 0 && !CPU_ISSET(last, set))
		last--;
	CPU_ZERO(set);
	CPU_SET(last, set);
}

/**
 * listed() - Read the list as written
 * @value:	Value
 * @ret_set:	The CPUs
 */
static int listed(struct conf_value *value, cpu_set_t *ret_set)
{
	switch (cpulist_parse(value->text, ret_set)) {
	case 0:
		return 0;
	case -ERANGE:
		return conf_why(value, "there is no such CPU");
	case -EEXIST:
		return conf_why(value, "a CPU is given twice");
	default:
		return conf_why(value, "not a list of CPU numbers such as 1,3-5");
	}
}

/**
 * reachable() - Refuse CPUs that a thread cannot be pinned to
 * @value:	Value
 * @wanted:	CPUs
 * @reach:	From cpulist_reach()
 */
static int reachable(struct conf_value *value, const cpu_set_t *wanted, const cpu_set_t *reach)
{
	cpu_set_t missing;
	char list[64], there[64];

	CPU_AND(&missing, wanted, reach);
	CPU_XOR(&missing, wanted, &missing);
	if (CPU_COUNT(&missing) == 0)
		return 0;
	cpulist_format(&missing, list, sizeof(list));
	cpulist_format(reach, there, sizeof(there));
	return conf_why(value,
			"CPU %s does not exist, is offline or outside this process's cpuset; "
			"there are %s",
			list, there);
}

/**
 * store() - Put CPUs into struct conf, in ascending order
 * @set:	At most CONF_CORES_MAX CPUs
 * @ret_cores:	Filled in
 */
static void store(const cpu_set_t *set, struct conf_cores *ret_cores)
{
	ret_cores->n_cores = 0;
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, set))
			ret_cores->cores[ret_cores->n_cores++] = cpu;
}

/**
 * cores_parse() - conf_type_cores: "last", or a list of CPUs that are there
 * @value:	Value
 * @dest:	conf->pmd
 */
static int cores_parse(struct conf_value *value, void *dest)
{
	cpu_set_t reach, wanted;

	if (cpulist_reach(&reach))
		return conf_why(value, "cannot find out which CPUs there are");
	if (!strcasecmp(value->text, "last")) {
		wanted = reach;
		last_of(&wanted);
	} else if (listed(value, &wanted) || reachable(value, &wanted, &reach)) {
		return -EINVAL;
	}
	if (CPU_COUNT(&wanted) > (int)value->key->max)
		return conf_why(value, "more than %d CPUs", (int)value->key->max);
	store(&wanted, dest);
	return 0;
}

/**
 * cores_allowed() - What cores_parse() accepts, for errors, help and man page
 * @key:	Key
 * @out:	Where to
 */
static void cores_allowed(const struct conf_key *key, FILE *out)
{
	(void)key;
	fprintf(out, "CPU numbers such as 1,3-5 that are online, or last");
}

const struct conf_type conf_type_cores = {cores_parse, cores_allowed};

/**
 * pin_parse() - conf_type_pin: "any", or a list of CPUs
 * @value:	Value
 * @dest:	struct conf_cores, with none for any
 *
 * Whether they are among [pmd] cores is seen when both have been read.
 */
static int pin_parse(struct conf_value *value, void *dest)
{
	cpu_set_t wanted;

	CPU_ZERO(&wanted);
	if (strcasecmp(value->text, "any") != 0 && listed(value, &wanted))
		return -EINVAL;
	if (CPU_COUNT(&wanted) > (int)value->key->max)
		return conf_why(value, "more than %d CPUs", (int)value->key->max);
	store(&wanted, dest);
	return 0;
}

/**
 * pin_allowed() - What pin_parse() accepts, for errors, help and man page
 * @key:	Key
 * @out:	Where to
 */
static void pin_allowed(const struct conf_key *key, FILE *out)
{
	(void)key;
	fprintf(out, "CPU numbers such as 1,3-5 from [pmd] cores, or any");
}

const struct conf_type conf_type_pin = {pin_parse, pin_allowed};
