/* SPDX-License-Identifier: BSD-3-Clause */
/* container_of.h - From a member to the struct it is in */
#ifndef VUNETD_CONTAINER_OF_H
#define VUNETD_CONTAINER_OF_H

#include <stddef.h>

#ifndef container_of /* DPDK has one of the same meaning */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#endif

#endif /* VUNETD_CONTAINER_OF_H */
