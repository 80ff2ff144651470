/* SPDX-License-Identifier: BSD-3-Clause */
/* thread_role.c - The two roles, named for the compiler only */
#include "iotlb/thread_role.h"

struct thread_role pmd_role;
struct thread_role ctl_role;
