/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vq_resume.c - A ring whose polling thread was killed, at any instruction
 *
 * A child works on a burst one instruction at a time, its ring and journal in shared
 * memory.  Whenever one of these has changed, so that it could have been killed
 * there, another child takes the ring over: a virtqueue that knows nothing, at the
 * base the front-end remembers, that of the first start.  There each chain must
 * come back once, in its turn and with the right bytes.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "datapath/vq_journal.h"
#include "tests/unit/datapath/model_packed.h"

#define V1	 (UINT64_C(1) << VIRTIO_F_VERSION_1)
#define MRG	 (UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF)
#define PACKED	 (UINT64_C(1) << VIRTIO_F_RING_PACKED)
#define ORDER	 (UINT64_C(1) << VIRTIO_F_IN_ORDER)
#define INDIRECT (UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC)
#define HDR	 12
#define SIZE	 32
#define BUF	 300
#define FRAMES	 9 /* given or taken in the burst that is cut short */

#define STATES_MAX 400
#define ROUNDS	   1 /* of each kind of ring, each somewhere else */

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
 * leave_eal() - Have a memory of EAL's of our own, in the child
 *
 * Without hugepages it is one file that both have mapped; whoever is killed in the
 * middle of a mempool's ring leaves that in pieces.
 */
static void leave_eal(void)
{
	unsigned long from, to, offset;
	char line[512], path[64];
	int eal = -1;
	FILE *maps;

	for (int fd = 3; fd < 256 && eal < 0; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		memset(line, 0, sizeof(line));
		if (readlink(path, line, sizeof(line) - 1) > 0 && strstr(line, "memfd:nohuge"))
			eal = fd;
	}
	maps = fopen("/proc/self/maps", "re");
	while (eal >= 0 && maps && fgets(line, sizeof(line), maps)) {
		if (strstr(line, "memfd:nohuge") &&
		    sscanf(line, "%lx-%lx %*s %lx", &from, &to, &offset) == 3 &&
		    mmap((void *)from, to - from, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE,
			 eal, (off_t)offset) == MAP_FAILED)
			_exit(77);
	}
	if (maps)
		fclose(maps);
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
 * watch() - Have a child work on a burst, and note all that is on the way
 * @s:	Scene; of the child's work it has what is in shared memory
 * @h:	Filled in
 *
 * Return: Instructions
 */
static unsigned int watch(struct scene *s, struct history *h)
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint8_t last[4096];
	unsigned int steps = 0;
	size_t len = 0;
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(77);
		leave_eal();
		prepare(s, pkts, FRAMES);
		raise(SIGSTOP);
		(void)work(s, pkts, FRAMES);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	while (WIFSTOPPED(status)) {
		keep(s, h, last, &len);
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		steps++;
	}
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return steps;
}

/* A virtqueue that knows nothing takes the ring over at its first base */
static void take_over(struct scene *s, uint16_t base)
{
	struct vq_config cfg = s->r->cfg;

	thread_role_assume(&ctl_role);
	vq_free(s->r->vq);
	assert_int_equal(vq_new(s->g->tlb, s->g->misses, &s->r->vq), 0);
	cfg.base = base;
	cfg.uncertain = true;
	assert_int_equal(vq_start(s->r->vq, &cfg), 0);
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

/* In a child: had the thread been killed there, all would be well */
static void survive(struct scene *s, const struct state *left, uint16_t base,
		    const struct fate *fate)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		leave_eal();
		memcpy(s->g->ram, left->ram, ram_bytes(s));
		memcpy(s->journal, left->journal, sizeof(*s->journal));
		s->serial += FRAMES;
		/* Each child draws other numbers */
		s->g->rng += (uint64_t)getpid() << 20;
		if (fate->anew)
			begin_anew(s);
		s->journal->desc += fate->elsewhere ? 4096 : 0;
		take_over(s, base);
		finish(s);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
}

static void trial(const struct kind *k, uint64_t seed)
{
	static const struct fate fates[] = {
		{0}, {.anew = true}, {.elsewhere = true}, {.anew = true, .elsewhere = true}};
	uint16_t base = k->features & PACKED ? 0x8000 : 0;
	struct scene *s = calloc(1, sizeof(*s));
	struct history *h = calloc(1, sizeof(*h));
	unsigned int steps;
	char number[24];

	assert_true(s && h);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)seed);
	setenv("TEST_SEED", number, 1);
	scene_open(s, k, base);
	warm_up(s);
	while (s->r->n_free > SIZE / 4 && add(s))
		;
	mg_show(s->r);
	steps = watch(s, h);
	print_message("%s: %u instructions, %u states\n", k->name, steps, h->n);
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

static void test_killed_at_any_instruction(void **state)
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
	/* What fails in a child must not go on there as if it were all there is */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	pool = rte_pktmbuf_pool_create("resume", 511, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
	return pool ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_at_any_instruction),
	};

	return cmocka_run_group_tests(tests, pool_new, NULL);
}
