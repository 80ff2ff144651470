/* SPDX-License-Identifier: BSD-3-Clause */
/* input.h - The fuzzer's bytes as a script of numbers
 *
 * A target reads what to do from the front of its input.  Behind the end all
 * numbers are zero, so that every input means something, and a shorter one the
 * same as if zeros followed: the fuzzer can grow and cut scripts as it likes.
 *
 * tests/fuzz/seeds.py writes scripts by hand; it and the targets have to agree.
 */
#ifndef VUNETD_FUZZ_INPUT_H
#define VUNETD_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/**
 * struct input - What is left of a script
 * @p:	Next byte
 * @n:	Bytes
 */
struct input {
	const uint8_t *p;
	size_t n;
};

/* What libFuzzer calls */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unlike assert() it is there in any build, and its line is in the report */
#define FUZZ_CHECK(condition)                                                                   \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

/**
 * input_bytes() - Take bytes
 * @in:		Script
 * @dst:	Where to
 * @n:		How many
 */
static inline void input_bytes(struct input *in, void *dst, size_t n)
{
	size_t have = n < in->n ? n : in->n;

	memset(dst, 0, n);
	if (have)
		memcpy(dst, in->p, have);
	in->p += have;
	in->n -= have;
}

static inline uint8_t input_u8(struct input *in)
{
	uint8_t v;

	input_bytes(in, &v, sizeof(v));
	return v;
}

static inline uint16_t input_u16(struct input *in)
{
	uint16_t v;

	input_bytes(in, &v, sizeof(v));
	return v;
}

static inline uint32_t input_u32(struct input *in)
{
	uint32_t v;

	input_bytes(in, &v, sizeof(v));
	return v;
}

static inline uint64_t input_u64(struct input *in)
{
	uint64_t v;

	input_bytes(in, &v, sizeof(v));
	return v;
}

#endif /* VUNETD_FUZZ_INPUT_H */
