/* SPDX-License-Identifier: BSD-3-Clause */
/* loads.h - Every load the datapath makes, before it happens
 *
 * With -fsanitize-coverage=trace-loads clang puts a call in front of each load,
 * and AddressSanitizer one in place of each copy, that the linker leads here.
 */
#ifndef VUNETD_FUZZ_LOADS_H
#define VUNETD_FUZZ_LOADS_H

/* Called with the address; NULL where a target does not want to know */
extern void (*loads_hook)(const void *addr);

#endif /* VUNETD_FUZZ_LOADS_H */
