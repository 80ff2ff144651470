/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_iotlb.c - Sequences of updates, invalidations and lookups
 *
 * Covers iotlb/, all of its writer and both lookups.  Beside it runs the unit
 * tests' naive model: what translates, and to where, is compared after each
 * operation.  With a small bound the IOTLB may have evicted what the model still
 * knows, so then only what it does translate is compared.
 *
 * Script: bound, then operations.  Addresses are near a few places where levels
 * of the tree meet, or continue the mapping before, or are anything.
 */
#include "tests/fuzz/input.h"

#include <errno.h>

#include "iotlb/iotlb.h"
#include "tests/unit/iotlb/model.h"

#define OPS_MAX 200
#define KIB	(UINT64_C(1) << 10)
#define MIB	(UINT64_C(1) << 20)
#define GIB	(UINT64_C(1) << 30)
#define HOST	UINT64_C(0x7f0000000000)
#define ROOMY	(1u << 16)
/* Entries of a range, so that an input takes milliseconds and not minutes */
#define SIZE_MAX_PAGES 2048

/**
 * struct run - One input's IOTLB
 * @exact:	It has room for everything
 * @last:	The last range that was mapped
 */
struct run {
	struct input in;
	struct iotlb *tlb;
	struct iotlb_hints hints;
	struct model model;
	bool exact;
	struct interval last;
};

/**
 * read_iova() - An address
 * @r:	Run
 */
static uint64_t read_iova(struct run *r)
{
	static const uint64_t places[] = {
		0,	    2 * MIB, GIB, 5 * GIB - 2 * MIB, UINT64_C(1) << 39, UINT64_C(1) << 48,
		-(2 * MIB),
	};
	uint8_t kind = input_u8(&r->in);

	if (kind < 14)
		return places[kind % 7] +
		       (uint64_t)(int16_t)input_u16(&r->in) * (kind < 7 ? 1 : IOTLB_PAGE_SIZE);
	if (kind < 16)
		return r->last.last + 1;
	if (kind < 18)
		return r->last.first + input_u16(&r->in);
	return input_u64(&r->in);
}

/**
 * read_size() - A length
 * @r:	Run
 *
 * Pages, and 2 MiB or 1 GiB of them where leaves are huge; zero too.
 */
static uint64_t read_size(struct run *r)
{
	uint8_t kind = input_u8(&r->in);

	switch (kind & 3) {
	case 0:
		return (kind >> 2) * IOTLB_PAGE_SIZE;
	case 1:
		return input_u16(&r->in);
	case 2:
		return (kind >> 2 & 7) * 2 * MIB + (kind >> 5) * IOTLB_PAGE_SIZE;
	default:
		return kind == 255 ? input_u64(&r->in) : (kind >> 2 & 3) * GIB;
	}
}

/**
 * probe() - Compare one translation with the model's
 * @r:		Run
 * @iova:	Address
 * @len:	Bytes wanted
 * @perm:	Access
 */
static void probe(struct run *r, uint64_t iova, uint64_t len, uint8_t perm)
{
	uint64_t want_len = 0, got = 0;
	uint64_t want = model_lookup(&r->model, iova, len, perm, &want_len);
	uint64_t host;

	thread_role_assume(&pmd_role);
	iotlb_hints_check(r->tlb, &r->hints);
	host = (uint64_t)iotlb_lookup(r->tlb, &r->hints, iova, len, perm, &got);
	if (!host && !r->exact)
		return;
	FUZZ_CHECK(host == want);
	if (host)
		FUZZ_CHECK(got >= 1 && got <= want_len);
	thread_role_assume(&ctl_role);
	FUZZ_CHECK(iotlb_maps(r->tlb, iova, perm) == !!host);
}

/**
 * op_map() - Map a range
 * @r:	Run
 */
static void op_map(struct run *r)
{
	uint64_t iova = read_iova(r), size = read_size(r);
	uint8_t how = input_u8(&r->in);
	uint8_t perm = how & (IOTLB_READ | IOTLB_WRITE);
	uint64_t host = HOST + (iova & (GIB - 1)) + (how >> 4) * IOTLB_PAGE_SIZE;
	bool valid = size && perm && iova + size - 1 >= iova;
	int ret;

	if (how & 4) /* what continues the range before in host memory too */
		host = r->last.host + (r->last.last - r->last.first) + 1;
	else if (how & 8) {
		host += input_u8(&r->in);
		/* Each page is a fragment list then */
		if (valid && size > SIZE_MAX_PAGES * IOTLB_PAGE_SIZE)
			size = SIZE_MAX_PAGES * IOTLB_PAGE_SIZE;
	}
	/* An address that is no host's: sums must not wrap, as they do not in use */
	if (valid && (size > 4 * GIB || host + size < host || host >> 47))
		return;
	thread_role_assume(&ctl_role);
	ret = iotlb_map(r->tlb, iova, size, (void *)host, perm); /* NOLINT */
	FUZZ_CHECK(valid ? ret >= 0 || ret == -ENOSPC : ret == -EINVAL);
	if (ret < 0)
		return;
	model_map(&r->model, iova, iova + size - 1, host, perm);
	r->last = (struct interval){iova, iova + size - 1, host, perm};
	/* Whatever had to go for it, what was mapped just now is there */
	FUZZ_CHECK(iotlb_maps(r->tlb, iova, perm));
	FUZZ_CHECK(iotlb_maps(r->tlb, iova + size - 1, perm));
}

/**
 * op_unmap() - Unmap a range
 * @r:	Run
 */
static void op_unmap(struct run *r)
{
	uint64_t iova = read_iova(r), size = read_size(r);
	bool valid = size && iova + size - 1 >= iova;
	int ret;

	thread_role_assume(&ctl_role);
	ret = iotlb_unmap(r->tlb, iova, size);
	/* Short of room it may remove more than it was asked to */
	FUZZ_CHECK(valid ? !ret || (!r->exact && ret == -ENOMEM) : ret == -EINVAL);
	if (!valid)
		return;
	model_unmap(&r->model, iova, iova + size - 1);
	FUZZ_CHECK(!iotlb_maps(r->tlb, iova, IOTLB_READ));
	FUZZ_CHECK(!iotlb_maps(r->tlb, iova + size - 1, IOTLB_WRITE));
}

/**
 * op_any() - Do what the script says next
 * @r:	Run
 */
static void op_any(struct run *r)
{
	uint8_t op = input_u8(&r->in);

	thread_role_assume(&ctl_role);
	switch (op & 7) {
	case 0 ... 2:
		op_map(r);
		break;
	case 3 ... 4:
		op_unmap(r);
		break;
	case 5:
		if (op & 8)
			iotlb_synchronize(r->tlb);
		if (op >= 0xf8) {
			iotlb_clear(r->tlb);
			r->model.n = 0;
		}
		break;
	default:
		probe(r, read_iova(r), read_size(r) | 1, (op >> 3) % 3 + 1);
		break;
	}
}

/**
 * look_around() - Compare where something begins or ends
 * @r:	Run
 */
static void look_around(struct run *r)
{
	for (size_t i = 0; i < r->model.n && i < 16; i++) {
		struct interval v = r->model.at[i];

		probe(r, v.first, v.last - v.first + 1, v.perm);
		probe(r, v.last, 2, IOTLB_READ);
		probe(r, v.first - 1, 2, IOTLB_WRITE);
		probe(r, v.last + 1, 1, IOTLB_READ);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run r;
	struct iotlb_stats stats;
	uint32_t bound;

	r = (struct run){.in = {data, size}};
	bound = 64 + input_u8(&r.in) * 4u;
	r.exact = bound == 64;
	iotlb_hints_init(&r.hints);
	thread_role_assume(&ctl_role);
	FUZZ_CHECK(!iotlb_new(r.exact ? ROOMY : bound, NULL, &r.tlb));
	for (unsigned int i = 0; r.in.n && i < OPS_MAX; i++) {
		op_any(&r);
		look_around(&r);
		iotlb_stats(r.tlb, &stats);
		FUZZ_CHECK(stats.entries <= (r.exact ? ROOMY : bound));
		/* Its room is gone: from here on it may have forgotten things */
		if (stats.evicted)
			r.exact = false;
	}
	iotlb_free(r.tlb);
	model_free(&r.model);
	return 0;
}
