/* SPDX-License-Identifier: BSD-3-Clause */
/* account.c - Values that name a user or a group */
#include "conf/table.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

/* chown(2) takes -1 for "leave it", so that is no id of anybody */
#define NOBODY_AT_ALL ((uint32_t)-1)
_Static_assert(sizeof(uid_t) == sizeof(uint32_t) && sizeof(gid_t) == sizeof(uint32_t), "ids");

/**
 * numeric_id() - Read an id given as a number
 * @value:	Value
 * @ret_id:	The id
 *
 * Return: 1 when it was one, 0 when it is not a number, -EINVAL beyond 32 bits
 */
static int numeric_id(struct conf_value *value, uint32_t *ret_id)
{
	uint64_t id;
	int ret = conf_digits(value->text, &id);

	if (ret == -EINVAL)
		return 0;
	if (ret || id >= NOBODY_AT_ALL)
		return conf_why(value, "id out of range");
	*ret_id = (uint32_t)id;
	return 1;
}

/**
 * owner_parse() - conf_type_owner: a user, by name or number, or empty
 * @value:	Value
 * @dest:	uid_t
 */
static int owner_parse(struct conf_value *value, void *dest)
{
	uint32_t id = NOBODY_AT_ALL;
	int ret = *value->text ? numeric_id(value, &id) : 1;

	if (ret < 0)
		return ret;
	if (ret == 0) {
		const struct passwd *user = getpwnam(value->text);

		if (!user)
			return conf_why(value, "no such user");
		id = user->pw_uid;
	}
	*(uid_t *)dest = id;
	return 0;
}

/**
 * owner_allowed() - What owner_parse() accepts, for errors, help and man page
 * @key:	Key
 * @out:	Where to
 */
static void owner_allowed(const struct conf_key *key, FILE *out)
{
	(void)key;
	fprintf(out, "name or number of a user");
}

const struct conf_type conf_type_owner = {owner_parse, owner_allowed};

/**
 * group_parse() - conf_type_group: a group, by name or number, or empty
 * @value:	Value
 * @dest:	gid_t
 */
static int group_parse(struct conf_value *value, void *dest)
{
	uint32_t id = NOBODY_AT_ALL;
	int ret = *value->text ? numeric_id(value, &id) : 1;

	if (ret < 0)
		return ret;
	if (ret == 0) {
		const struct group *group = getgrnam(value->text);

		if (!group)
			return conf_why(value, "no such group");
		id = group->gr_gid;
	}
	*(gid_t *)dest = id;
	return 0;
}

/**
 * group_allowed() - What group_parse() accepts, for errors, help and man page
 * @key:	Key
 * @out:	Where to
 */
static void group_allowed(const struct conf_key *key, FILE *out)
{
	(void)key;
	fprintf(out, "name or number of a group");
}

const struct conf_type conf_type_group = {group_parse, group_allowed};
