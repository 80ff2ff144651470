/* SPDX-License-Identifier: BSD-3-Clause */
/* scan.c - Where in the file everything stands */
#include "conf/scan.h"
#include "conf/report.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* iniparser's buffers hold 1024; its own refusal names no reason */
#define LINE_LENGTH_MAX 1000

/**
 * struct scanner - A scan in progress
 * @report:	Where what is wrong goes
 * @scan:	What was found so far
 * @section:	Section the current line is in, owned by its entry; "" before all
 * @line:	Its number
 */
struct scanner {
	struct conf_report *report;
	struct scan *scan;
	const char *section;
	unsigned int line;
};

/**
 * trim() - Take white space off both ends, in place
 * @text:	Text
 *
 * Return: Where it begins now
 */
static char *trim(char *text)
{
	size_t length;

	while (isspace((unsigned char)*text))
		text++;
	length = strlen(text);
	while (length && isspace((unsigned char)text[length - 1]))
		text[--length] = '\0';
	return text;
}

/**
 * lower_copy() - Copy a name as iniparser keeps it, in lower case
 * @name:	Name
 */
static char *lower_copy(const char *name)
{
	char *copy = strdup(name);

	for (char *c = copy; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return copy;
}

/**
 * add() - Remember a heading or a key, and refuse its second appearance
 * @s:		Scanner
 * @section:	Name as written
 * @key:	Name as written or NULL
 *
 * Return: 0 or -ENOMEM
 */
static int add(struct scanner *s, const char *section, const char *key)
{
	struct scan *scan = s->scan;
	struct scan_entry *grown = realloc(scan->entries, (scan->n + 1) * sizeof(*grown));
	struct scan_entry new = {.section = lower_copy(section), .line = s->line};

	if (grown)
		scan->entries = grown;
	if (key)
		new.key = lower_copy(key);
	if (!grown || !new.section || (key && !new.key)) {
		free(new.section);
		free(new.key);
		return -ENOMEM;
	}

	const struct scan_entry *first = scan_find(scan, new.section, new.key);
	if (first) {
		new.again = 1;
		report_line(s->report, s->line, "[%s]%s%s: given twice, first in line %u",
			    new.section, key ? " " : "", key ? new.key : "", first->line);
	}
	scan->entries[scan->n++] = new;
	return 0;
}

/**
 * heading() - Take a line that begins with [
 * @s:		Scanner
 * @text:	Line, trimmed; written to
 *
 * Return: 0 or -ENOMEM
 */
static int heading(struct scanner *s, char *text)
{
	char *end = strchr(text, ']');
	int ret;

	if (!end || end[1] != '\0') {
		report_line(s->report, s->line,
			    "\"%s\": a [section] must be closed and stand alone on its line", text);
		return 0;
	}
	*end = '\0';
	ret = add(s, trim(text + 1), NULL);
	if (ret == 0)
		s->section = s->scan->entries[s->scan->n - 1].section;
	return ret;
}

/**
 * value_fault() - What iniparser would silently do to a value
 * @text:	What stands after the =, trimmed
 *
 * Return: What is wrong with it, or NULL
 */
static const char *value_fault(const char *text)
{
	if (*text == '"' || *text == '\'') {
		const char *end = strchr(text + 1, *text);

		if (!end)
			return "a quote is not closed";
		end += 1 + strspn(end + 1, " \t");
		if (*end != '\0' && *end != '#' && *end != ';')
			return "there is text behind the closing quote";
		return NULL;
	}

	size_t cut = strcspn(text, "#;");
	if (text[cut] != '\0' && cut > 0 && !isspace((unsigned char)text[cut - 1]))
		return "an unquoted # or ; begins a comment and would cut the value here; "
		       "put the value in double quotes";
	return NULL;
}

/**
 * assignment() - Take a line that is to be key = value
 * @s:		Scanner
 * @text:	Line, trimmed; written to
 *
 * Return: 0 or -ENOMEM
 */
static int assignment(struct scanner *s, char *text)
{
	char *equals = strchr(text, '=');
	const char *fault;
	char *key;

	if (!equals || equals == text) {
		report_line(s->report, s->line, "\"%s\": neither a [section] nor a key = value",
			    text);
		return 0;
	}
	*equals = '\0';
	key = trim(text);
	fault = value_fault(trim(equals + 1));
	if (fault)
		report_line(s->report, s->line, "[%s] %s: %s", s->section, key, fault);
	return add(s, s->section, key);
}

/**
 * unreadable() - What keeps a line from being read at all
 * @text:	Line, with its end of line
 * @length:	Of it
 *
 * Return: What is wrong with it, or NULL
 */
static const char *unreadable(const char *text, size_t length)
{
	if (length > LINE_LENGTH_MAX)
		return "longer than 1000 characters";
	for (size_t i = 0; i < length; i++)
		if (iscntrl((unsigned char)text[i]) && !isspace((unsigned char)text[i]))
			return "holds control characters; is it a text file?";
	return NULL;
}

/**
 * line() - Take one line
 * @s:		Scanner
 * @text:	Line, with its end of line; written to
 * @length:	Of it
 *
 * Return: 0 or -ENOMEM
 */
static int line(struct scanner *s, char *text, size_t length)
{
	const char *fault = unreadable(text, length);

	if (fault) {
		report_line(s->report, s->line, "%s", fault);
		return 0;
	}
	text = trim(text);
	length = strlen(text);
	if (length && text[length - 1] == '\\')
		report_line(s->report, s->line,
			    "a line must not end in \\, it would swallow the next");
	else if (*text == '[')
		return heading(s, text);
	else if (length && *text != '#' && *text != ';')
		return assignment(s, text);
	return 0;
}

/**
 * open_regular() - Open a file, which a directory or a pipe is not
 * @path:	File
 * @ret_file:	The open file
 *
 * iniparser takes a directory for an empty file, and it opens @path once more,
 * which a pipe would not survive.
 *
 * Return: 0 or -errno
 */
static int open_regular(const char *path, FILE **ret_file)
{
	FILE *file = fopen(path, "re");
	struct stat st;
	int ret = 0;

	if (!file)
		return -errno;
	if (fstat(fileno(file), &st))
		ret = -errno;
	else if (S_ISDIR(st.st_mode))
		ret = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		ret = -ENOTSUP;
	if (ret)
		fclose(file);
	else
		*ret_file = file;
	return ret;
}

int scan_file(const char *path, struct conf_report *report, struct scan *ret_scan)
{
	struct scan scan = {0};
	struct scanner s = {.report = report, .scan = &scan, .section = ""};
	char *text = NULL;
	size_t size = 0;
	ssize_t length;
	FILE *file = NULL;
	int ret = open_regular(path, &file);

	if (ret)
		goto unread;
	while (ret == 0 && (length = getline(&text, &size, file)) >= 0) {
		s.line++;
		ret = line(&s, text, (size_t)length);
	}
	if (ret == 0 && ferror(file))
		ret = -EIO;
	free(text);
	fclose(file);
	if (ret)
		goto unread;
	*ret_scan = scan;
	return 0;

unread:
	scan_fini(&scan);
	report_line(report, 0, "cannot be read: %s",
		    ret == -ENOTSUP ? "Not a regular file" : strerror(-ret));
	return ret;
}

void scan_fini(struct scan *scan)
{
	for (size_t i = 0; i < scan->n; i++) {
		free(scan->entries[i].section);
		free(scan->entries[i].key);
	}
	free(scan->entries);
	*scan = (struct scan){0};
}

const struct scan_entry *scan_find(const struct scan *scan, const char *section, const char *key)
{
	for (size_t i = 0; i < scan->n; i++) {
		const struct scan_entry *e = &scan->entries[i];

		if (!e->key != !key || strcmp(e->section, section) != 0)
			continue;
		if (!key || !strcmp(e->key, key))
			return e;
	}
	return NULL;
}
