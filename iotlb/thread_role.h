/* SPDX-License-Identifier: BSD-3-Clause */
/* thread_role.h - Which thread may call a function, checked by the compiler
 *
 * Theory of operation
 * ===================
 * A role is a clang "capability" that no lock stands behind: a thread takes it
 * once, where it starts, and every function that says PMD_ONLY or CTL_ONLY may
 * then be called from there and from nowhere else.  `make lint` compiles with
 * -Wthread-safety -Werror; other compilers see nothing.
 *
 * A call through a pointer loses the annotation, so a function that is called
 * that way (an epoll handler, a table entry) takes the role again itself.
 */
#ifndef VUNETD_THREAD_ROLE_H
#define VUNETD_THREAD_ROLE_H

#ifdef __clang__
#define ROLE_ATTR(x) __attribute__((x))
#else
#define ROLE_ATTR(x)
#endif

struct ROLE_ATTR(capability("thread role")) thread_role {
	char unused;
};

extern struct thread_role pmd_role;
extern struct thread_role ctl_role;

/* Only a poll-mode thread may call this: it never blocks, allocates or logs */
#define PMD_ONLY ROLE_ATTR(requires_capability(pmd_role))
/* Only the control thread may call this */
#define CTL_ONLY ROLE_ATTR(requires_capability(ctl_role))

/**
 * thread_role_assume() - State that the running thread has a role
 * @role:	&pmd_role or &ctl_role
 *
 * Context: the start of a thread, or of a function called by pointer
 */
static inline void thread_role_assume(struct thread_role *role) ROLE_ATTR(assert_capability(role));
static inline void thread_role_assume(struct thread_role *role)
{
	(void)role;
}

#endif /* VUNETD_THREAD_ROLE_H */
