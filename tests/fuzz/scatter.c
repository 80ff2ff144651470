/* SPDX-License-Identifier: BSD-3-Clause */
/* scatter.c - Guest memory in scattered pieces, each with a fence behind it */
#include "tests/fuzz/scatter.h"

#include <sys/mman.h>

#include <rte_common.h>
#include <sanitizer/asan_interface.h>

#include "tests/fuzz/input.h"
#include "tests/fuzz/loads.h"

#define RW	     (IOTLB_READ | IOTLB_WRITE)
#define GRANULES_MAX 400
#define STEP	     5 /* slots between neighbours; divides no number of granules */
/* The window's middle is where one 2 MiB span ends and the next begins */
#define BASE	  (UINT64_C(0x5a5a00000000) - SCATTER_BYTES / 2)
#define END_BYTES UINT64_C(4096) /* of the granules at the ends */
/* Where memory is for the guest is nobody's business but the log's */
#define GPA	  UINT64_C(0x3000)
#define LOG_BYTES 64u

/**
 * struct granule - A piece of the window
 * @iova:	First address
 * @host:	Where it is
 * @copy:	What the guest knows to be there
 * @size:	Bytes
 * @perm:	What it is mapped for, 0: not mapped
 */
struct granule {
	uint64_t iova;
	uint8_t *host;
	uint8_t *copy;
	uint32_t size;
	uint8_t perm;
};

/**
 * struct memory - One way to cut the window
 * @size:	Bytes in a granule
 * @n:		Granules in the window; two more are at the ends
 * @arena:	Host memory
 * @bytes:	How much
 * @log:	Of it
 */
struct memory {
	uint32_t size;
	uint32_t n;
	uint8_t *arena;
	size_t bytes;
	struct dirty_log log;
	struct iotlb *tlb;
	struct granule at[GRANULES_MAX];
};

static struct memory memories[SCATTER_KINDS] = {
	{.size = 4096}, {.size = 1024}, {.size = 512}, {.size = 200}};
static struct memory *now = &memories[0];
static uint8_t copies[SCATTER_BYTES + 8192 + 2 * END_BYTES];

static struct scatter_event events[SCATTER_EVENTS];
static unsigned int n_events;
static uint32_t loads;
static bool counting; /* a call is under way */
static bool busy;     /* in load() itself */
static bool logging;  /* what is written is to be marked */
static uint8_t marks[LOG_BYTES];

/* ------------------------------------------------------------- granules -- */

/**
 * granule_at() - The granule of a place
 * @off:	Offset; beyond the window are the two at the ends, by turns
 */
static struct granule *granule_at(uint32_t off)
{
	return &now->at[off < SCATTER_BYTES ? off / now->size : now->n + (off & 1)];
}

/**
 * granule_save() - Note what is in a granule
 * @g:	Granule, mapped
 */
static void granule_save(struct granule *g)
{
	memcpy(g->copy, g->host, g->size);
}

/**
 * granule_set() - Change what a granule is mapped for
 * @g:		Granule
 * @perm:	From now on
 *
 * While a call runs it still may use what it looked up, so the fence is not put
 * up before scatter_end().
 */
static void granule_set(struct granule *g, uint8_t perm) CTL_ONLY
{
	if (g->perm == perm)
		return;
	if (g->perm) {
		FUZZ_CHECK(!iotlb_unmap(now->tlb, g->iova, g->size));
		granule_save(g);
	}
	if (perm) {
		ASAN_UNPOISON_MEMORY_REGION(g->host, g->size);
		memcpy(g->host, g->copy, g->size);
		FUZZ_CHECK(iotlb_map(now->tlb, g->iova, g->size, g->host, perm) >= 0);
	} else if (!counting) {
		iotlb_synchronize(now->tlb);
		ASAN_POISON_MEMORY_REGION(g->host, g->size);
	}
	g->perm = perm;
}

/**
 * memory_new() - Make one kind
 * @m:	With its granules' size
 */
static void memory_new(struct memory *m) CTL_ONLY
{
	uint32_t step = RTE_MAX(2 * m->size, 64u);
	struct dirty_region region;

	m->n = (SCATTER_BYTES + m->size - 1) / m->size;
	m->bytes = (size_t)m->n * step + 4 * END_BYTES;
	FUZZ_CHECK(m->n + 2 <= GRANULES_MAX && m->n % STEP);
	m->arena = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FUZZ_CHECK(m->arena != MAP_FAILED);
	FUZZ_CHECK(!iotlb_new(4 * GRANULES_MAX, NULL, &m->tlb));
	for (uint32_t i = 0; i < m->n; i++)
		m->at[i] = (struct granule){.iova = BASE + (uint64_t)i * m->size,
					    .host = m->arena + (size_t)(i * STEP % m->n) * step,
					    .copy = copies + (size_t)i * m->size,
					    .size = m->size};
	/* The first and the last page there is */
	for (uint32_t i = 0; i < 2; i++)
		m->at[m->n + i] =
			(struct granule){.iova = -(uint64_t)i * END_BYTES,
					 .host = m->arena + m->bytes - (4 - 2 * i) * END_BYTES,
					 .copy = copies + SCATTER_BYTES + 8192 + i * END_BYTES,
					 .size = END_BYTES};
	region = (struct dirty_region){.host = (uintptr_t)m->arena, .gpa = GPA, .size = m->bytes};
	FUZZ_CHECK(!dirty_log_init(&m->log, marks, sizeof(marks), &region, 1));
	ASAN_POISON_MEMORY_REGION(m->arena, m->bytes);
}

void scatter_use(unsigned int kind)
{
	thread_role_assume(&ctl_role);
	now = &memories[kind];
	n_events = 0;
	logging = false;
	for (uint32_t i = 0; i < now->n + 2; i++) {
		struct granule *g = &now->at[i];

		granule_set(g, RW);
		memset(g->host, 0, g->size);
	}
	iotlb_synchronize(now->tlb);
}

struct iotlb *scatter_tlb(unsigned int kind)
{
	return memories[kind].tlb;
}

const struct dirty_log *scatter_log(void)
{
	logging = true;
	return &now->log;
}

uint64_t scatter_iova(uint32_t off)
{
	return BASE + off;
}

/* ------------------------------------------------------------ the guest -- */

/**
 * piece() - How much of a range is in the granule where it begins
 * @off:	Offset, in the window
 * @n:		Bytes
 */
static uint32_t piece(uint32_t off, uint32_t n)
{
	n = RTE_MIN(n, SCATTER_BYTES - off);
	return RTE_MIN(n, now->size - off % now->size);
}

void scatter_write(uint32_t off, const void *src, uint32_t n)
{
	const uint8_t *from = src;
	uint32_t len;

	for (; n && off < SCATTER_BYTES; n -= len, off += len, from += len) {
		struct granule *g = granule_at(off);

		len = piece(off, n);
		memcpy(g->copy + off % now->size, from, len);
		if (g->perm)
			memcpy(g->host + off % now->size, from, len);
	}
}

void scatter_read(uint32_t off, void *dst, uint32_t n)
{
	uint8_t *to = dst;
	uint32_t len;

	for (; n; n -= len, off += len, to += len) {
		const struct granule *g = granule_at(off);

		len = piece(off, n);
		memcpy(to, (g->perm ? g->host : g->copy) + off % now->size, len);
	}
}

void scatter_set(uint32_t off, uint8_t perm)
{
	granule_set(granule_at(off), perm);
}

void scatter_answer(uint64_t iova)
{
	if (iova - BASE < SCATTER_BYTES)
		granule_set(granule_at((uint32_t)(iova - BASE)), RW);
	else if (iova + END_BYTES < 2 * END_BYTES)
		granule_set(granule_at(SCATTER_BYTES + (iova >> 63)), RW);
}

/* ------------------------------------------------------- what comes between -- */

void scatter_arm(const struct scatter_event *event)
{
	if (n_events < SCATTER_EVENTS)
		events[n_events++] = *event;
}

void scatter_begin(void)
{
	for (uint32_t i = 0; i < now->n + 2; i++)
		if (now->at[i].perm && (logging || !(now->at[i].perm & IOTLB_WRITE)))
			granule_save(&now->at[i]);
	memset(marks, 0, sizeof(marks));
	loads = 0;
	counting = true;
}

/**
 * check_log() - Whether what differs from what the guest knows is marked
 * @g:	Granule, mapped
 */
static void check_log(const struct granule *g)
{
	for (uint32_t i = 0; i < g->size; i++) {
		uint64_t page = (GPA + (uint64_t)(g->host + i - now->arena)) >> DIRTY_PAGE_SHIFT;

		FUZZ_CHECK(g->host[i] == g->copy[i] || marks[page / 8] >> page % 8 & 1);
	}
}

uint32_t scatter_end(void)
{
	counting = false;
	n_events = 0;
	iotlb_synchronize(now->tlb);
	for (uint32_t i = 0; i < now->n + 2; i++) {
		struct granule *g = &now->at[i];

		if (!g->perm)
			ASAN_POISON_MEMORY_REGION(g->host, g->size);
		else if (!(g->perm & IOTLB_WRITE))
			FUZZ_CHECK(!memcmp(g->copy, g->host, g->size));
		else if (logging)
			check_log(g);
	}
	return loads;
}

/**
 * load() - The datapath is about to load something
 * @addr:	From there
 */
static void load(const void *addr)
{
	uintptr_t off = (uintptr_t)addr - (uintptr_t)now->arena;

	if (!counting || busy || off >= now->bytes)
		return;
	busy = true;
	for (unsigned int i = 0; i < n_events; i++) {
		const struct scatter_event *e = &events[i];

		if (e->at != loads)
			continue;
		/* As the control thread would, beside this one */
		thread_role_assume(&ctl_role);
		if (e->n)
			scatter_write(e->off, e->bytes, e->n);
		else
			granule_set(granule_at(e->off), 0);
	}
	loads++;
	busy = false;
}

void scatter_init(void)
{
	thread_role_assume(&ctl_role);
	for (unsigned int i = 0; i < SCATTER_KINDS; i++)
		memory_new(&memories[i]);
	loads_hook = load;
}
