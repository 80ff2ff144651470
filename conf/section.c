/* SPDX-License-Identifier: BSD-3-Clause */
/* section.c - Headings: which section they are, and which NAME they carry */
#include "conf/section.h"
#include "conf/report.h"
#include "conf/similar.h"

#include <string.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789_-"

const struct conf_section *section_kind(const char *heading, const char **ret_name)
{
	for (const struct conf_section *kind = conf_sections; kind->name; kind++) {
		size_t length = strlen(kind->name);

		if (strncmp(heading, kind->name, length) != 0)
			continue;
		if (!kind->named && heading[length] == '\0') {
			*ret_name = "";
			return kind;
		}
		if (kind->named && heading[length] == '.') {
			*ret_name = heading + length + 1;
			return kind;
		}
	}
	return NULL;
}

bool section_name_valid(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length < CONF_NAME_MAX && strspn(name, NAME_CHARACTERS) == length;
}

/**
 * meant_kind() - The kind of section a misspelt heading was meant to be
 * @heading:	Such as "prot.uplink"
 * @ret_name:	Set to what stands where a NAME would, or ""
 *
 * Return: Kind or NULL
 */
static const struct conf_section *meant_kind(const char *heading, const char **ret_name)
{
	const struct conf_section *best = NULL;
	struct similar meant;
	char first[CONF_NAME_MAX];
	size_t length = strcspn(heading, ".: \t/");

	if (length >= sizeof(first))
		return NULL;
	memcpy(first, heading, length);
	first[length] = '\0';
	*ret_name = heading + length + strspn(heading + length, ".: \t/");

	meant = similar_to(first);
	for (const struct conf_section *kind = conf_sections; kind->name; kind++) {
		similar_try(&meant, kind->name);
		if (meant.best == kind->name)
			best = kind;
	}
	return best;
}

/**
 * print_kinds() - List all sections, as "[dpdk], [pmd], [port.NAME]"
 * @out:	Where to
 */
static void print_kinds(FILE *out)
{
	for (const struct conf_section *kind = conf_sections; kind->name; kind++)
		fprintf(out, "%s[%s%s]", kind == conf_sections ? "" : ", ", kind->name,
			kind->named ? ".NAME" : "");
}

void section_refuse(struct conf_report *report, unsigned int line, const char *heading)
{
	const char *name;
	const struct conf_section *meant = meant_kind(heading, &name);
	char allowed[256] = "";
	FILE *out = fmemopen(allowed, sizeof(allowed), "w");

	if (out) {
		print_kinds(out);
		fclose(out);
	}
	if (!meant)
		report_line(report, line, "[%s]: no such section; allowed: %s", heading, allowed);
	else if (!meant->named)
		report_line(report, line, "[%s]: no such section, did you mean [%s]?; allowed: %s",
			    heading, meant->name, allowed);
	else
		report_line(report, line,
			    "[%s]: no such section, did you mean [%s.%s]?; allowed: %s", heading,
			    meant->name, *name ? name : "NAME", allowed);
}
