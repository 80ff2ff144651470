/* SPDX-License-Identifier: BSD-3-Clause */
/* wire.c - Values that name a port */
#include "conf/similar.h"
#include "conf/table.h"

#include <errno.h>
#include <strings.h>

/**
 * wire_parse() - conf_type_wire: NAME of a [port.NAME] anywhere in the file
 * @value:	Value
 * @dest:	unsigned int, the port's index
 */
static int wire_parse(struct conf_value *value, void *dest)
{
	const struct conf *conf = value->conf;
	struct similar meant = similar_to(value->text);

	for (unsigned int i = 0; i < conf->n_ports; i++) {
		if (!strcasecmp(conf->ports[i].name, value->text)) {
			*(unsigned int *)dest = i;
			return 0;
		}
		similar_try(&meant, conf->ports[i].name);
	}
	if (meant.best)
		return conf_why(value, "there is no [port.%s], did you mean \"%s\"?", value->text,
				meant.best);
	return conf_why(value, "there is no [port.%s]", value->text);
}

/**
 * wire_allowed() - What wire_parse() accepts, for errors, help and man page
 * @key:	Key
 * @out:	Where to
 */
static void wire_allowed(const struct conf_key *key, FILE *out)
{
	(void)key;
	fprintf(out, "NAME of a [port.NAME]");
}

const struct conf_type conf_type_wire = {wire_parse, wire_allowed};
