/* SPDX-License-Identifier: BSD-3-Clause */
/* strangers.c - Sections, names and keys that may not stand in the file */
#include "conf/strangers.h"
#include "conf/report.h"
#include "conf/scan.h"
#include "conf/section.h"
#include "conf/similar.h"

#include <string.h>

/**
 * refuse_key() - Report a key that the section does not have
 * @report:	Report
 * @entry:	Where it stands
 * @kind:	Section
 */
static void refuse_key(struct conf_report *report, const struct scan_entry *entry,
		       const struct conf_section *kind)
{
	struct similar meant = similar_to(entry->key);
	char allowed[256] = "";

	for (const struct conf_key *key = kind->keys; key->name; key++) {
		size_t used = strlen(allowed);

		similar_try(&meant, key->name);
		snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "",
			 key->name);
	}
	if (meant.best)
		report_line(report, entry->line,
			    "[%s] %s: no such key, did you mean \"%s\"?; allowed: %s",
			    entry->section, entry->key, meant.best, allowed);
	else
		report_line(report, entry->line, "[%s] %s: no such key; allowed: %s",
			    entry->section, entry->key, allowed);
}

/**
 * has_key() - Whether a section's table has a key
 * @kind:	Section
 * @name:	Key
 */
static bool has_key(const struct conf_section *kind, const char *name)
{
	const struct conf_key *key = kind->keys;

	while (key->name && strcmp(key->name, name) != 0)
		key++;
	return key->name != NULL;
}

/**
 * refuse_unknown() - Report sections and keys that no table has
 * @report:	Report
 * @scan:	Scan
 *
 * The keys of an unknown section are passed over: one error is enough.
 */
static void refuse_unknown(struct conf_report *report, const struct scan *scan)
{
	for (size_t i = 0; i < scan->n; i++) {
		const struct scan_entry *entry = &scan->entries[i];
		const char *name;
		const struct conf_section *kind = section_kind(entry->section, &name);

		if (!kind && entry->key && !*entry->section)
			report_line(report, entry->line, "%s: a key must stand below a [section]",
				    entry->key);
		else if (!kind && !entry->key)
			section_refuse(report, entry->line, entry->section);
		else if (kind && entry->key && !has_key(kind, entry->key))
			refuse_key(report, entry, kind);
	}
}

/**
 * refuse_names() - Report NAMEs that cannot be one
 * @report:	Report
 * @scan:	Scan
 */
static void refuse_names(struct conf_report *report, const struct scan *scan)
{
	for (size_t i = 0; i < scan->n; i++) {
		const struct scan_entry *entry = &scan->entries[i];
		const char *name;
		const struct conf_section *kind = section_kind(entry->section, &name);

		if (kind && kind->named && !entry->key && !section_name_valid(name))
			report_line(report, entry->line,
				    "[%s]: not a name; allowed: 1 to %d letters, digits, _ and -",
				    entry->section, CONF_NAME_MAX - 1);
	}
}

void strangers_refuse(struct conf_report *report, const struct scan *scan)
{
	refuse_unknown(report, scan);
	refuse_names(report, scan);
}
