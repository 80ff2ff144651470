/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vq_resume.c - A ring whose polling thread was killed, at any instruction
 *
 * Whatever is left of a killed thread is in its ring and its journal, and each of
 * its instructions that stores there traps: they are read-only but for it.  With
 * what was left behind each, another virtqueue takes the ring over, which knows
 * nothing, at the base the front-end remembers, that of the first start.  There
 * each chain must come back once, in its turn and with the right bytes.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "datapath/vq_journal.h"
#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_packed.h"

#define HDR    12
#define SIZE   32
#define BUF    300
#define FRAMES 9 /* given or taken in the burst that is cut short */

#define STATES_MAX 400
#define ROUNDS	   5 /* of each kind of ring, each somewhere else */

static struct rte_mempool *pool;

/**
 * struct kind - What a ring is like
 * @name:	For complaints
 * @features:	Negotiated
 * @receive:	Towards the guest
 * @segs:	Descriptors in a chain
 * @frame:	Bytes of a frame
 * @indirect:	Chains in tables
 */
struct kind {
	const char *name;
	uint64_t features;
	bool receive;
	unsigned int segs;
	uint32_t frame;
	bool indirect;
};

static const struct kind kinds[] = {
	{"split, sent", V1, false, 1, 100, false},
	{"split, sent in order", V1 | ORDER, false, 2, 100, false},
	{"split, received", V1 | MRG, true, 1, 100, false},
	{"split, received in pieces", V1 | MRG, true, 1, 700, false},
	{"packed, sent", V1 | PACKED, false, 1, 100, false},
	{"packed, sent in chains", V1 | PACKED, false, 3, 100, false},
	{"packed, sent from tables", V1 | PACKED | INDIRECT, false, 3, 100, true},
	{"packed, sent in order", V1 | PACKED | ORDER, false, 1, 100, false},
	{"packed, sent in order in chains", V1 | PACKED | ORDER, false, 3, 100, false},
	{"packed, received", V1 | PACKED | MRG, true, 1, 100, false},
	{"packed, received in chains", V1 | PACKED | MRG, true, 2, 100, false},
	{"packed, received in pieces", V1 | PACKED | MRG, true, 1, 700, false},
	{"packed, received in order", V1 | PACKED | MRG | ORDER, true, 1, 700, false},
};

/**
 * struct scene - A ring and a journal that outlive whoever works on them
 * @k:		Its kind
 * @bufs:	Where the buffers of each chain are; by the number it was added with
 * @added:	Chains made available
 * @taken:	and come back, in the same order
 * @serial:	Of the next frame to be received
 * @whose:	Which chain each head or ID is
 */
struct scene {
	const struct kind *k;
	struct model_guest *g;
	struct mg_ring *r;
	struct vq_journal *journal;
	uint64_t bufs[SIZE];
	uint32_t added;
	uint32_t taken;
	uint32_t serial;
	int32_t whose[65536];
};

static void scene_open(struct scene *s, const struct kind *k, uint16_t base)
{
	size_t bytes;

	thread_role_assume(&ctl_role);
	memset(s, 0, sizeof(*s));
	s->k = k;
	s->g = mg_new(64, 4096, false, NULL);
	bytes = (size_t)s->g->n * s->g->gran;
	assert_ptr_equal(mmap(s->g->ram, bytes, PROT_READ | PROT_WRITE,
			      MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0),
			 s->g->ram);
	s->journal = mmap(NULL, sizeof(*s->journal), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(s->journal, MAP_FAILED);
	s->r = mg_ring_new(s->g, k->receive ? 0 : 1, SIZE, base, k->features, 0);
	s->r->cfg.journal = s->journal;
	assert_int_equal(vq_start(s->r->vq, &s->r->cfg), 0);
	for (unsigned int i = 0; i < SIZE; i++)
		s->bufs[i] = mg_alloc(s->g, BUF, 64, 0, k->receive ? IOTLB_WRITE : IOTLB_READ);
	mg_map_all(s->g);
}

static void scene_close(struct scene *s)
{
	thread_role_assume(&ctl_role);
	mg_ring_free(s->r);
	mg_free(s->g);
	munmap(s->journal, sizeof(*s->journal));
}

/* Make one chain available; the frame in it, if any, is of its own number */
static bool add(struct scene *s)
{
	uint64_t at = s->bufs[s->added % SIZE];
	uint32_t len = s->k->receive ? BUF : HDR + s->k->frame, n = s->k->segs;
	struct mg_buf segs[4];
	int head;

	for (uint32_t i = 0; i < n; i++)
		segs[i] = (struct mg_buf){at + i * (len / n),
					  i + 1 == n ? len - i * (len / n) : len / n};
	if (!s->k->receive)
		for (uint32_t i = HDR; i < len; i++)
			*mg_host(s->g, at + i) = mg_pattern(s->added, i - HDR);
	head = mg_add(s->r, segs, n, s->k->receive ? VRING_DESC_F_WRITE : 0, s->k->indirect);
	if (head < 0)
		return false;
	s->whose[head] = (int32_t)s->added++;
	return true;
}

/* Have frames to be received, if they are */
static void prepare(struct scene *s, struct rte_mbuf **pkts, uint16_t n)
{
	if (!s->k->receive)
		return;
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, pkts, n), 0);
	for (uint16_t i = 0; i < n; i++) {
		uint8_t *f = (uint8_t *)rte_pktmbuf_append(pkts[i], (uint16_t)s->k->frame);

		memcpy(f, &s->serial, 4);
		for (uint32_t j = 4; j < s->k->frame; j++)
			f[j] = mg_pattern(s->serial, j);
		s->serial++;
	}
}

/* Work on them, or on what is sent; frames given or taken */
static uint16_t work(struct scene *s, struct rte_mbuf **pkts, uint16_t n)
{
	thread_role_assume(&pmd_role);
	if (s->k->receive)
		return vq_push(s->r->vq, pkts, n, rte_rdtsc());
	return vq_pull(s->r->vq, pool, pkts, n, rte_rdtsc());
}

static void burst(struct scene *s, uint16_t n)
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint16_t moved;

	prepare(s, pkts, n);
	moved = work(s, pkts, n);
	rte_pktmbuf_free_bulk(pkts, s->k->receive ? n : moved);
}

/* Take one used chain; its number, or -1 */
static int32_t take(struct scene *s, uint32_t *len)
{
	int head = mg_used(s->r, len);

	if (head < 0)
		return -1;
	/* None left out, none before its turn */
	assert_int_equal(s->whose[head], s->taken);
	return (int32_t)s->taken++;
}

/* Take all that came back, and look at each frame; chains */
static uint32_t collect(struct scene *s)
{
	uint8_t frame[4 * BUF];
	uint32_t n = 0, len;
	int32_t which;

	while ((which = take(s, &len)) >= 0) {
		struct virtio_net_hdr_mrg_rxbuf hdr;
		uint32_t have = 0, serial;

		n++;
		if (!s->k->receive) {
			assert_int_equal(len, 0);
			continue;
		}
		assert_true(len >= HDR && len <= BUF);
		mg_read(s->g, s->bufs[which % SIZE], &hdr, sizeof(hdr));
		mg_read(s->g, s->bufs[which % SIZE] + HDR, frame, len - HDR);
		have = len - HDR;
		assert_true(hdr.num_buffers >= 1 && hdr.num_buffers <= 3);
		while (--hdr.num_buffers) {
			which = take(s, &len);
			assert_true(which >= 0);
			assert_true(len <= BUF);
			mg_read(s->g, s->bufs[which % SIZE], frame + have, len);
			have += len;
			n++;
		}
		assert_int_equal(have, s->k->frame);
		memcpy(&serial, frame, 4);
		for (uint32_t i = 4; i < have; i++)
			assert_int_equal(frame[i], mg_pattern(serial, i));
	}
	return n;
}

/* Some rounds of everyday work, so that the ring is anywhere */
static void warm_up(struct scene *s)
{
	for (uint32_t round = mg_rand(s->g, 40); round; round--) {
		for (uint32_t n = mg_rand(s->g, SIZE); n && add(s); n--)
			;
		mg_show(s->r);
		burst(s, (uint16_t)(1 + mg_rand(s->g, FRAMES)));
		(void)collect(s);
	}
}

/**
 * struct state - What would be left of a ring at some moment
 * @ram:	Guest memory
 * @journal:	and the journal
 */
struct state {
	uint8_t *ram;
	struct vq_journal *journal;
};

/**
 * struct history - All that was different in a ring and its journal
 * @states:	One after the other
 * @n:		How many
 */
struct history {
	struct state states[STATES_MAX];
	unsigned int n;
};

static size_t ram_bytes(const struct scene *s)
{
	return (size_t)s->g->n * s->g->gran;
}

/* Of all there is, what the order of stores is about; the rest is frames */
static size_t digest(const struct scene *s, uint8_t *to)
{
	const struct vq_config *cfg = &s->r->cfg;
	size_t used = s->r->packed ? 0 : 6 + 8 * SIZE, n = 0;

	mg_read(s->g, cfg->desc, to + n, 16 * SIZE);
	n += 16 * SIZE;
	mg_read(s->g, cfg->used, to + n, used);
	n += used;
	memcpy(to + n, s->journal, 64 + 64 * sizeof(struct vq_undo));
	return n + 64 + 64 * sizeof(struct vq_undo);
}

/* Keep what there is now, if it is anything new */
static void keep(const struct scene *s, struct history *h, uint8_t *last, size_t *len)
{
	uint8_t now[4096];
	size_t n = digest(s, now);
	struct state *to = &h->states[h->n];

	if (n == *len && !memcmp(last, now, n))
		return;
	memcpy(last, now, n);
	*len = n;
	assert_true(h->n++ < STATES_MAX);
	to->ram = malloc(ram_bytes(s));
	to->journal = malloc(sizeof(*to->journal));
	assert_true(to->ram && to->journal);
	memcpy(to->ram, s->g->ram, ram_bytes(s));
	memcpy(to->journal, s->journal, sizeof(*to->journal));
}

/**
 * struct watch - What the handlers of signals know
 * @s:		Scene whose ring and journal cannot be written to without a fault
 * @h:		Filled in
 * @last:	What was kept last
 * @len:	and how much of it there is
 * @stores:	Instructions that stored to them
 */
static struct watch {
	struct scene *s;
	struct history *h;
	uint8_t last[4096];
	size_t len;
	unsigned int stores;
} watched;

/* In the flags of an x86: trap behind the next instruction */
#define TRAP_FLAG 0x100

static void protect(int prot)
{
	struct scene *s = watched.s;

	assert_int_equal(mprotect(s->g->ram, ram_bytes(s), prot), 0);
	assert_int_equal(mprotect(s->journal, sizeof(*s->journal), prot), 0);
}

/* SIGSEGV: let the one instruction store */
static void before_store(int number, siginfo_t *info, void *context)
{
	const uint8_t *at = info->si_addr, *ram = watched.s->g->ram;
	const uint8_t *journal = (const uint8_t *)watched.s->journal;

	if ((at < ram || at >= ram + ram_bytes(watched.s)) &&
	    (at < journal || at >= journal + sizeof(*watched.s->journal))) {
		signal(number, SIG_DFL);
		return;
	}
	protect(PROT_READ | PROT_WRITE);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

/* SIGTRAP: it has */
static void after_store(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	watched.stores++;
	keep(watched.s, watched.h, watched.last, &watched.len);
	protect(PROT_READ);
}

/**
 * watch() - Work on a burst, and note all that is on the way
 * @s:	Scene
 * @h:	Filled in
 *
 * Return: Instructions that stored to what is shared
 */
static unsigned int watch(struct scene *s, struct history *h)
{
	struct sigaction before = {.sa_sigaction = before_store, .sa_flags = SA_SIGINFO};
	struct sigaction after = {.sa_sigaction = after_store, .sa_flags = SA_SIGINFO};
	struct sigaction old_segv, old_trap;
	struct rte_mbuf *pkts[VQ_BURST];
	uint16_t moved;

	prepare(s, pkts, FRAMES);
	watched = (struct watch){.s = s, .h = h};
	keep(s, h, watched.last, &watched.len);
	assert_int_equal(sigaction(SIGSEGV, &before, &old_segv), 0);
	assert_int_equal(sigaction(SIGTRAP, &after, &old_trap), 0);
	protect(PROT_READ);
	moved = work(s, pkts, FRAMES);
	protect(PROT_READ | PROT_WRITE);
	assert_int_equal(sigaction(SIGSEGV, &old_segv, NULL), 0);
	assert_int_equal(sigaction(SIGTRAP, &old_trap, NULL), 0);
	rte_pktmbuf_free_bulk(pkts, s->k->receive ? FRAMES : moved);
	return watched.stores;
}

/* Whatever is available comes back, once, and nothing else does */
static void finish(struct scene *s)
{
	uint32_t rounds;

	(void)collect(s);
	for (rounds = 0; rounds < 4 * SIZE && s->r->n_free < SIZE; rounds++) {
		burst(s, 1);
		assert_false(vq_broken(s->r->vq));
		(void)collect(s);
		/* A frame in pieces needs more than may be left */
		if (s->k->receive && !add(s))
			continue;
		if (s->k->receive)
			mg_show(s->r);
		if (s->k->receive && rounds > 2 * SIZE)
			return;
	}
	assert_int_equal(s->r->n_free, SIZE);
}

/* The driver begins anew, with a ring at the same place */
static void begin_anew(struct scene *s)
{
	struct mg_ring *r = s->r;

	memset(r->in_use, 0, SIZE * sizeof(*r->in_use));
	r->avail_idx = r->used_idx = 0;
	r->avail_wrap = r->used_wrap = true;
	r->first = r->end = r->batch = 0;
	r->n_free = SIZE;
	r->n_shown = 0;
	mp_init_flags(r);
	s->added = s->taken = 0;
	/* From none to all of the ring is available when we come */
	for (uint32_t n = mg_rand(s->g, 2 * SIZE); n && add(s); n--)
		;
	mg_show(r);
}

/**
 * struct fate - What the driver does before the ring is taken over
 * @anew:	It begins anew
 * @elsewhere:	The ring gets another address; here the journal has one
 */
struct fate {
	bool anew;
	bool elsewhere;
};

/* Had the thread been killed there, all would be well: a virtqueue takes the ring over */
static void survive(const struct scene *before, const struct state *left, uint16_t base,
		    const struct fate *fate)
{
	struct scene *s = malloc(sizeof(*s));
	struct vq_config cfg;

	thread_role_assume(&ctl_role);
	assert_non_null(s);
	*s = *before;
	s->r = mg_ring_clone(before->r);
	memcpy(s->g->ram, left->ram, ram_bytes(s));
	memcpy(s->journal, left->journal, sizeof(*s->journal));
	if (fate->anew)
		begin_anew(s);
	s->journal->desc += fate->elsewhere ? 4096 : 0;
	cfg = s->r->cfg;
	cfg.base = base;
	cfg.uncertain = true;
	assert_int_equal(vq_start(s->r->vq, &cfg), 0);
	finish(s);
	mg_ring_free(s->r);
	free(s);
}

static void trial(const struct kind *k, uint64_t seed)
{
	static const struct fate fates[] = {
		{0}, {.anew = true}, {.elsewhere = true}, {.anew = true, .elsewhere = true}};
	uint16_t base = k->features & PACKED ? 0x8000 : 0;
	struct scene *s = calloc(1, sizeof(*s));
	struct history *h = calloc(1, sizeof(*h));
	unsigned int stores;
	char number[24];

	assert_true(s && h);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)seed);
	setenv("TEST_SEED", number, 1);
	scene_open(s, k, base);
	warm_up(s);
	while (s->r->n_free > SIZE / 4 && add(s))
		;
	mg_show(s->r);
	stores = watch(s, h);
	print_message("%s: %u stores, %u states\n", k->name, stores, h->n);
	assert_true(h->n > 1);
	for (unsigned int i = 0; i < h->n; i++) {
		for (unsigned int f = 0; f < (s->r->packed ? RTE_DIM(fates) : 1); f++)
			survive(s, &h->states[i], base, &fates[f]);
		free(h->states[i].ram);
		free(h->states[i].journal);
	}
	scene_close(s);
	free(h);
	free(s);
}

static void test_killed_at_any_store(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (unsigned int i = 0; i < RTE_DIM(kinds); i++)
			trial(&kinds[i], 2 * round + 1 + 100 * i);
}

static int pool_new(void **state)
{
	(void)state;
	mg_eal_init();
	/* A handler of signals is no place to go on with the next test from */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	pool = rte_pktmbuf_pool_create("resume", 511, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
	return pool ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_at_any_store),
	};

	return cmocka_run_group_tests(tests, pool_new, NULL);
}
