/* SPDX-License-Identifier: BSD-3-Clause */
/* load.c - From an ini file to struct conf
 *
 * Theory of operation
 * ===================
 *   1  scan_file() finds every section and key, refuses what iniparser would
 *      silently change, and knows the lines
 *   2  iniparser reads the values
 *   3  every section gets its place in struct conf, so that any value may name
 *      any section, whichever comes first
 *   4  every key of the table is set: from the file, or from its default
 *   5  check_all() looks at what must hold between keys
 *
 * Each step reports all it finds and goes on as far as that makes sense.
 */
#include "conf/check.h"
#include "conf/report.h"
#include "conf/scan.h"
#include "conf/section.h"
#include "conf/strangers.h"
#include "conf/table.h"

#include <errno.h>
#include <iniparser/iniparser.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/**
 * struct loader - A file on its way into struct conf
 * @report:	Where what is wrong goes
 * @scan:	Sections, keys and their lines
 * @dict:	iniparser's values
 * @conf:	Being filled in
 * @clean:	The scan had no complaint, so iniparser must agree with it
 */
struct loader {
	struct conf_report report;
	struct scan scan;
	dictionary *dict;
	struct conf *conf;
	bool clean;
};

int conf_why(struct conf_value *value, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(value->why, sizeof(value->why), fmt, args);
	va_end(args);
	return -EINVAL;
}

/**
 * allowed_text() - What a key accepts, as text
 * @key:	Key
 * @buf:	Filled in
 * @size:	Of @buf
 */
static void allowed_text(const struct conf_key *key, char *buf, size_t size)
{
	FILE *out = fmemopen(buf, size, "w");

	buf[0] = '\0';
	if (!out)
		return;
	key->type->allowed(key, out);
	fclose(out);
}

/**
 * refuse_value() - Report a value with what is allowed
 * @l:		Loader
 * @section:	Name
 * @value:	Value, with its reason
 */
static void refuse_value(struct loader *l, const char *section, const struct conf_value *value)
{
	char allowed[256];

	allowed_text(value->key, allowed, sizeof(allowed));
	report_value(&l->report, section, value->key->name, value->text, "%s; allowed: %s",
		     value->why, allowed);
}

/**
 * refuse_absence() - Report that a key without a default is not there
 * @l:		Loader
 * @section:	Full name
 * @key:	Key
 */
static void refuse_absence(struct loader *l, const char *section, const struct conf_key *key)
{
	const struct scan_entry *heading = scan_find(&l->scan, section, NULL);
	char allowed[256];

	allowed_text(key, allowed, sizeof(allowed));
	report_line(&l->report, heading ? heading->line : 0, "[%s] %s: must be given; allowed: %s",
		    section, key->name, allowed);
}

/**
 * set_key() - Set a member from the file or from its default
 * @l:		Loader
 * @section:	Full name, such as "port.uplink"
 * @key:	Key
 * @base:	Struct that has the member
 */
static void set_key(struct loader *l, const char *section, const struct conf_key *key, void *base)
{
	const struct scan_entry *entry = scan_find(&l->scan, section, key->name);
	struct conf_value value = {.key = key, .conf = l->conf};
	char path[2 * CONF_NAME_MAX + 32];

	snprintf(path, sizeof(path), "%s:%s", section, key->name);
	value.text = iniparser_getstring(l->dict, path, NULL);
	if (!entry != !value.text) {
		if (l->clean)
			report_line(&l->report, entry ? entry->line : 0,
				    "[%s] %s: the file changed while it was read", section,
				    key->name);
		return;
	}
	if (!value.text)
		value.text = key->def;
	if (!value.text)
		refuse_absence(l, section, key);
	else if (key->type->parse(&value, (char *)base + key->offset))
		refuse_value(l, section, &value);
}

/**
 * next_named() - Find the next section of a kind that may be used
 * @l:		Loader
 * @prefix:	"port" or "guest"
 * @i:		Where to go on, moved past what was found; 0 at first
 *
 * Return: NAME, or NULL when there are no more
 */
static const char *next_named(const struct loader *l, const char *prefix, size_t *i)
{
	while (*i < l->scan.n) {
		const struct scan_entry *entry = &l->scan.entries[(*i)++];
		const char *name;
		const struct conf_section *kind = section_kind(entry->section, &name);

		if (kind && !entry->key && !entry->again && !strcmp(kind->name, prefix) &&
		    section_name_valid(name))
			return name;
	}
	return NULL;
}

/**
 * count_named() - Count the sections next_named() finds
 * @l:		Loader
 * @prefix:	"port" or "guest"
 * @most:	More than that are reported
 *
 * Return: How many, at most @most
 */
static unsigned int count_named(struct loader *l, const char *prefix, unsigned int most)
{
	unsigned int n = 0;
	size_t i = 0;

	while (next_named(l, prefix, &i))
		n++;
	if (n <= most)
		return n;
	report_line(&l->report, 0, "%u [%s.NAME] sections; allowed: 1 to %u of them", n, prefix,
		    most);
	return most;
}

/**
 * make_places() - Make every port and guest, so far only with its name
 * @l:	Loader
 *
 * Return: 0 or -ENOMEM
 */
static int make_places(struct loader *l)
{
	struct conf *conf = l->conf;
	unsigned int n_ports = count_named(l, "port", CONF_PORTS_MAX);
	unsigned int n_guests = count_named(l, "guest", CONF_GUESTS_MAX);
	size_t i;

	conf->ports = calloc(n_ports + 1, sizeof(*conf->ports));
	conf->guests = calloc(n_guests + 1, sizeof(*conf->guests));
	if (!conf->ports || !conf->guests)
		return -ENOMEM;
	for (i = 0; conf->n_ports < n_ports; conf->n_ports++) {
		struct conf_port *port = &conf->ports[conf->n_ports];

		snprintf(port->name, sizeof(port->name), "%s", next_named(l, "port", &i));
	}
	for (i = 0; conf->n_guests < n_guests; conf->n_guests++) {
		struct conf_guest *guest = &conf->guests[conf->n_guests];

		snprintf(guest->name, sizeof(guest->name), "%s", next_named(l, "guest", &i));
		guest->wire = WIRE_REFUSED;
	}
	return 0;
}

/**
 * set_section() - Set every key of a section
 * @l:		Loader
 * @kind:	Section
 * @name:	NAME, or "" for a section without
 * @base:	Struct that has the members
 */
static void set_section(struct loader *l, const struct conf_section *kind, const char *name,
			void *base)
{
	char full[CONF_NAME_MAX + 16];

	snprintf(full, sizeof(full), "%s%s%s", kind->name, *name ? "." : "", name);
	for (const struct conf_key *key = kind->keys; key->name; key++)
		set_key(l, full, key, base);
}

/**
 * set_all() - Set every key of every section
 * @l:	Loader
 */
static void set_all(struct loader *l)
{
	struct conf *conf = l->conf;

	for (const struct conf_section *kind = conf_sections; kind->name; kind++) {
		if (!kind->named)
			set_section(l, kind, "", conf);
		else if (!strcmp(kind->name, "port"))
			for (unsigned int i = 0; i < conf->n_ports; i++)
				set_section(l, kind, conf->ports[i].name, &conf->ports[i]);
		else
			for (unsigned int i = 0; i < conf->n_guests; i++)
				set_section(l, kind, conf->guests[i].name, &conf->guests[i]);
	}
}

/* The callback has no argument to carry this.  Set only inside read_values(). */
static struct loader *callback_loader;

/**
 * iniparser_error() - Take a message of iniparser's
 * @fmt:	Message, with ends of lines in it
 *
 * The scan has reported every syntax error already, and better; what comes here
 * beyond that is new.
 */
__attribute__((format(printf, 1, 2))) static int iniparser_error(const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	text[strcspn(text, "\n")] = '\0';
	if (callback_loader->report.n == 0)
		report_line(&callback_loader->report, 0, "%s", text);
	return 0;
}

/**
 * read_values() - Have iniparser read the file
 * @l:	Loader
 *
 * Return: 0; -EINVAL when it refuses, and then that is in the report
 */
static int read_values(struct loader *l)
{
	callback_loader = l;
	iniparser_set_error_callback(iniparser_error);
	l->dict = iniparser_load(l->report.file);
	iniparser_set_error_callback(NULL);
	callback_loader = NULL;

	if (!l->dict && l->report.n == 0)
		report_line(&l->report, 0, "iniparser cannot read it");
	return l->dict ? 0 : -EINVAL;
}

/**
 * load() - Steps 3 to 5
 * @l:	Loader
 *
 * Return: 0, -EINVAL or -ENOMEM
 */
static int load(struct loader *l)
{
	strangers_refuse(&l->report, &l->scan);
	if (make_places(l)) {
		report_line(&l->report, 0, "out of memory");
		return -ENOMEM;
	}
	set_all(l);
	check_all(&l->report, l->conf);
	return l->report.n ? -EINVAL : 0;
}

int conf_load(const char *path, FILE *errors, struct conf **ret_conf)
{
	struct loader l = {.report = {.out = errors, .file = path}};
	int ret = scan_file(path, &l.report, &l.scan);

	if (ret)
		return ret;
	l.report.scan = &l.scan;
	l.clean = l.report.n == 0;

	l.conf = calloc(1, sizeof(*l.conf));
	if (l.conf)
		l.conf->file = strdup(path);
	if (!l.conf || !l.conf->file)
		ret = -ENOMEM;
	if (ret == 0)
		ret = read_values(&l);
	if (ret == 0)
		ret = load(&l);

	if (l.dict)
		iniparser_freedict(l.dict);
	scan_fini(&l.scan);
	if (ret)
		conf_free(l.conf);
	else
		*ret_conf = l.conf;
	return ret;
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (unsigned int i = 0; i < conf->n_ports; i++)
		free(conf->ports[i].devargs);
	for (unsigned int i = 0; i < conf->n_guests; i++)
		free(conf->guests[i].socket);
	free(conf->ports);
	free(conf->guests);
	free(conf->dpdk.args);
	free(conf->file);
	free(conf);
}
