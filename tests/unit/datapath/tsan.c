/* SPDX-License-Identifier: BSD-3-Clause */
/* tsan.c - What ThreadSanitizer cannot know about DPDK
 *
 * rte_ring orders its elements by fences and by plain loads of the other side's
 * tail, both invisible to ThreadSanitizer.  What our threads pass each other by
 * other means than a ring is not covered by this.
 */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
	return "race:^__rte_ring_\n";
}
