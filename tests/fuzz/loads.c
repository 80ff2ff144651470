/* SPDX-License-Identifier: BSD-3-Clause */
/* loads.c - Every load the datapath makes, before it happens */
#include "tests/fuzz/loads.h"

#include <stddef.h>
#include <stdint.h>

void (*loads_hook)(const void *addr);

/* What -fsanitize-coverage=trace-loads calls, by the size of the load */
#define LOAD(bytes, type)                             \
	void __sanitizer_cov_load##bytes(type *addr); \
	void __sanitizer_cov_load##bytes(type *addr)  \
	{                                             \
		if (loads_hook)                       \
			loads_hook(addr);             \
	}
LOAD(1, uint8_t)
LOAD(2, uint16_t)
LOAD(4, uint32_t)
LOAD(8, uint64_t)
LOAD(16, __uint128_t)

/* Copies, for the linker's --wrap */
void *__real___asan_memcpy(void *dst, const void *src, size_t n);
void *__wrap___asan_memcpy(void *dst, const void *src, size_t n);
void *__wrap___asan_memcpy(void *dst, const void *src, size_t n)
{
	if (loads_hook)
		loads_hook(src);
	return __real___asan_memcpy(dst, src, n);
}
