/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vq_packed.c - What only packed rings have: wrap counters, events, offences
 *
 * How frames travel through them is tested with the other shapes in
 * test_vq_pull.c and test_vq_push.c.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_packed.h"

#define NEXT  VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define TABLE VRING_DESC_F_INDIRECT
#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)
#define SIZE  13
#define FRAME 100
#define HDR   12

static struct rte_mempool *pool;

/**
 * struct scene - A ring, a good buffer and a table for whatever is wrong
 */
struct scene {
	struct model_guest *g;
	struct mg_ring *r;
	uint64_t buf;
	uint64_t table;
	uint16_t dir;
	int fd;
};

static void scene_open(struct scene *s, bool receive, uint16_t base, uint64_t features)
{
	thread_role_assume(&ctl_role);
	s->g = mg_new(128, 4096, false, NULL);
	s->r = mg_ring_new(s->g, receive ? 0 : 1, SIZE, base, PV1 | features, 0);
	s->dir = receive ? WRITE : 0;
	s->buf = mg_alloc(s->g, 90000, 4096, 0, receive ? IOTLB_WRITE : IOTLB_READ);
	mg_alloc_page(s->g);
	s->table = mg_alloc(s->g, 2000 * 16, 4096, 4088, IOTLB_READ);
	s->fd = eventfd(0, EFD_NONBLOCK);
	vq_set_call(s->r->vq, s->fd);
	mg_map_all(s->g);
}

static void scene_close(struct scene *s)
{
	thread_role_assume(&ctl_role);
	close(s->fd);
	mg_ring_free(s->r);
	mg_free(s->g);
}

/* Let the device work on what is available; frames moved */
static uint16_t run(struct scene *s, uint16_t max)
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint64_t now = rte_rdtsc();
	uint16_t n;

	thread_role_assume(&pmd_role);
	if (!s->dir) {
		n = vq_pull(s->r->vq, pool, pkts, max, now);
		rte_pktmbuf_free_bulk(pkts, n);
		return n;
	}
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, pkts, max), 0);
	for (uint16_t i = 0; i < max; i++)
		memset(rte_pktmbuf_append(pkts[i], FRAME), i, FRAME);
	n = vq_push(s->r->vq, pkts, max, now);
	rte_pktmbuf_free_bulk(pkts, max);
	return n;
}

static int good_chain(struct scene *s)
{
	struct mg_buf b = {s->buf, HDR + FRAME};

	return mp_add(s->r, &b, 1, s->dir, false);
}

/* One descriptor of a bad chain */
static void put(struct scene *s, uint64_t addr, uint32_t len, uint16_t flags, bool first)
{
	mp_put(s->r, addr, len, MP_ID, flags, first);
	s->r->in_use[0]++;
	s->r->n_free--;
}

static void bad_table(struct scene *s)
{
	mp_desc(s->g, s->table, 0, s->buf, 200, 0, s->dir);
	put(s, s->table, 16, TABLE, true);
}

static void bad_table_and_next(struct scene *s)
{
	mp_desc(s->g, s->table, 0, s->buf, 200, 0, s->dir);
	put(s, s->table, 16, TABLE | NEXT, true);
	put(s, s->buf, 200, s->dir, false);
}

static void bad_table_later(struct scene *s)
{
	mp_desc(s->g, s->table, 0, s->buf, 200, 0, s->dir);
	put(s, s->buf, 200, s->dir | NEXT, true);
	put(s, s->table, 16, TABLE, false);
}

static void bad_table_nested(struct scene *s)
{
	/* INDIRECT within a table is ignored, so this one is a buffer: of the
	 * wrong direction */
	mp_desc(s->g, s->table, 0, s->table, 16, 0, (s->dir ^ WRITE) | TABLE);
	put(s, s->table, 16, TABLE, true);
}

static void bad_table_empty(struct scene *s)
{
	put(s, s->table, 0, TABLE, true);
}

static void bad_table_size(struct scene *s)
{
	put(s, s->table, 24, TABLE, true);
}

static void bad_table_wraps(struct scene *s)
{
	put(s, -(uint64_t)16, 32, TABLE, true);
}

static void bad_table_long(struct scene *s)
{
	put(s, s->table, 1025 * 16, TABLE, true);
}

static void bad_direction(struct scene *s)
{
	put(s, s->buf, 200, s->dir ^ WRITE, true);
}

static void bad_direction_later(struct scene *s)
{
	put(s, s->buf, HDR, s->dir | NEXT, true);
	put(s, s->buf, 200, s->dir ^ WRITE, false);
}

static void bad_short(struct scene *s)
{
	put(s, s->buf, 5, s->dir | NEXT, true);
	put(s, s->buf, 6, s->dir, false);
}

static void bad_nothing(struct scene *s)
{
	put(s, s->buf, 0, s->dir, true);
}

static void bad_wraps(struct scene *s)
{
	put(s, -(uint64_t)50, 200, s->dir, true);
}

static void bad_runt(struct scene *s)
{
	put(s, s->buf, HDR + 13, 0, true);
}

static void bad_huge(struct scene *s)
{
	put(s, s->buf, HDR + 65536, 0, true);
}

#define AT(member) offsetof(struct vq_counters, member)

/**
 * struct offence - One way to be bad
 */
struct offence {
	const char *name;
	void (*build)(struct scene *s);
	size_t counter;
	uint64_t features;
	bool tx_only;
};

static const struct offence offences[] = {
	{"table_not_negotiated", bad_table, AT(err_indirect), 0, false},
	{"table_and_next", bad_table_and_next, AT(err_indirect), INDIRECT, false},
	{"table_in_list", bad_table_later, AT(err_indirect), INDIRECT, false},
	{"table_in_table", bad_table_nested, AT(err_direction), INDIRECT, false},
	{"table_empty", bad_table_empty, AT(err_indirect), INDIRECT, false},
	{"table_of_odd_size", bad_table_size, AT(err_indirect), INDIRECT, false},
	{"table_wraps", bad_table_wraps, AT(err_length), INDIRECT, false},
	{"table_too_long", bad_table_long, AT(err_chain), INDIRECT, false},
	{"wrong_direction", bad_direction, AT(err_direction), 0, false},
	{"wrong_direction_later", bad_direction_later, AT(err_direction), 0, false},
	{"shorter_than_header", bad_short, AT(err_length), 0, false},
	{"no_bytes", bad_nothing, AT(err_length), 0, false},
	{"buffer_wraps", bad_wraps, AT(err_length), 0, false},
	{"runt", bad_runt, AT(drop_runt), 0, true},
	{"huge", bad_huge, AT(drop_too_big), 0, true},
};

static void check_used(struct scene *s, int id, uint32_t len)
{
	uint32_t got;

	assert_int_equal(mg_used(s->r, &got), id);
	assert_int_equal(got, len);
}

/* good, bad, good, at every place of the ring and with both wrap counters */
static void commit(const struct offence *o, bool receive, uint64_t features)
{
	uint32_t len = receive ? HDR + FRAME : 0;
	struct scene s;

	scene_open(&s, receive, 0x8000, features | o->features);
	for (unsigned int i = 0; i < 40; i++) {
		const struct vq_counters *c = vq_counters(s.r->vq);
		int before, after;

		/* Reserved for the bad one, so that no good one has its ID */
		s.r->in_use[0] = 1;
		before = good_chain(&s);
		s.r->in_use[0] = 0;
		o->build(&s);
		after = good_chain(&s);
		mg_show(s.r);
		/* As many chains as there are, or as many frames as fit */
		assert_int_equal(run(&s, receive ? 2 : 3), 2);
		check_used(&s, before, len);
		check_used(&s, MP_ID, 0);
		check_used(&s, after, len);
		assert_int_equal(*(const uint64_t *)((const char *)c + o->counter), i + 1);
		assert_int_equal(c->drop_too_big + c->drop_runt + c->err_index + c->err_chain +
					 c->err_indirect + c->err_direction + c->err_length +
					 c->err_ring,
				 i + 1);
	}
	thread_role_assume(&ctl_role);
	assert_int_equal(vq_base(s.r->vq), mp_base(s.r));
	scene_close(&s);
}

static void test_packed_offence(void **state)
{
	const struct offence *o = *state;
	unsigned int in_pool = rte_mempool_avail_count(pool);

	commit(o, false, 0);
	commit(o, false, ORDER);
	if (!o->tx_only) {
		commit(o, true, 0);
		commit(o, true, MRG);
	}
	assert_int_equal(rte_mempool_avail_count(pool), in_pool);
}

/* A bad chain among those one frame is spread over: all go back empty */
static void test_packed_bad_within_merged_frame(void **state)
{
	struct scene s;

	(void)state;
	for (uint16_t base = 0; base < SIZE; base++) {
		scene_open(&s, true, base, MRG);
		for (uint16_t i = 0; i < 6; i++)
			put(&s, s.buf + 4096u * i, 40, i == 2 ? 0 : WRITE, true);
		for (uint16_t i = 0; i < 6; i++) {
			/* IDs of their own */
			uint16_t id = MP_ID + i;
			uint16_t at = (uint16_t)((base + i) % SIZE);

			mg_write(s.g, s.r->cfg.desc + at * 16u + 12, &id, 2);
			s.r->in_use[i] = 1;
		}
		mg_show(s.r);
		assert_int_equal(run(&s, 2), 1); /* 112 bytes in 40, 40, 32 */
		for (uint16_t i = 0; i < 3; i++)
			check_used(&s, MP_ID + i, 0);
		check_used(&s, MP_ID + 3, 40);
		check_used(&s, MP_ID + 4, 40);
		check_used(&s, MP_ID + 5, 32);
		assert_int_equal(vq_counters(s.r->vq)->err_direction, 1);
		scene_close(&s);
	}
}

/* A frame that lacks a buffer leaves those there are to the driver's eye as they
 * were: available
 */
static void test_packed_unfinished_frame(void **state)
{
	struct mg_buf b;
	uint32_t len;
	struct scene s;

	(void)state;
	scene_open(&s, true, 0x800c, MRG);
	b = (struct mg_buf){s.buf, 60};
	assert_true(good_chain(&s) >= 0);
	assert_true(mp_add(s.r, &b, 1, WRITE, false) >= 0);
	mg_show(s.r);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(run(&s, 2), i ? 0 : 1);
		assert_true(mg_used(s.r, &len) >= 0 || i);
		assert_int_equal(mg_used(s.r, &len), -1);
	}
	assert_true(mp_add(s.r, &b, 1, WRITE, false) >= 0);
	mg_show(s.r);
	assert_int_equal(run(&s, 1), 1);
	assert_true(mg_used(s.r, &len) >= 0);
	assert_int_equal(len, 60);
	assert_true(mg_used(s.r, &len) >= 0);
	assert_int_equal(len, 52);
	scene_close(&s);
}

/* A chain that goes all the way round has neither end nor ID */
static void test_packed_chain_without_end(void **state)
{
	(void)state;
	for (int receive = 0; receive < 2; receive++) {
		for (uint16_t before = 0; before < 3; before++) {
			struct scene s;
			uint32_t len;

			scene_open(&s, receive, 0x8000, MRG);
			for (uint16_t i = 0; i < before; i++)
				assert_true(good_chain(&s) >= 0);
			for (uint16_t i = before; i < SIZE; i++)
				mp_put(s.r, s.buf, 10, 0, s.dir | NEXT, i == before);
			mg_show(s.r);
			/* What came before is carried; then there is the ring's end */
			assert_int_equal(run(&s, 4), before);
			for (uint16_t i = 0; i < before; i++)
				assert_true(mg_used(s.r, &len) >= 0);
			assert_int_equal(vq_broken(s.r->vq), !before);
			assert_int_equal(vq_counters(s.r->vq)->err_ring, !before);
			if (!before)
				assert_int_equal(run(&s, 4), 0);
			assert_int_equal(vq_counters(s.r->vq)->err_ring, !before);
			scene_close(&s);
		}
	}
}

/* Is @event's slot among the @n from @slot on, in the lap of @wrap? */
static bool among(uint16_t event, bool event_wrap, uint16_t slot, bool wrap, uint16_t n)
{
	while (n--) {
		if (slot == event && wrap == event_wrap)
			return true;
		if (++slot == SIZE) {
			slot = 0;
			wrap = !wrap;
		}
	}
	return false;
}

static bool interrupted(const struct scene *s)
{
	uint64_t n;

	return read(s->fd, &n, sizeof(n)) == sizeof(n);
}

/* The driver names a slot it has not got back yet, as the specification has it */
static void test_packed_notify_by_descriptor(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		bool receive = kind == 1;
		unsigned int moved = 0, calls = 0, bursts = 0;
		struct scene s;
		uint32_t len;

		scene_open(&s, receive, 0x8005, EVENT | (kind == 2 ? ORDER : 0));
		while (moved < 20000) {
			uint16_t slot = s.r->used_idx, event = slot, n;
			bool wrap = s.r->used_wrap, event_wrap = wrap, want;

			for (uint32_t i = mg_rand(s.g, SIZE); i; i--) {
				if (++event == SIZE) {
					event = 0;
					event_wrap = !event_wrap;
				}
			}
			mp_set_event(s.r, event, event_wrap, VRING_PACKED_EVENT_FLAG_DESC);
			for (uint32_t i = mg_rand(s.g, SIZE + 1); i && good_chain(&s) >= 0; i--)
				;
			mg_show(s.r);
			n = run(&s, (uint16_t)(1 + mg_rand(s.g, SIZE)));
			want = n && (!moved || among(event, event_wrap, slot, wrap, n));
			assert_int_equal(interrupted(&s), want);
			while (mg_used(s.r, &len) >= 0)
				;
			moved += n;
			calls += want;
			bursts += n > 0;
		}
		assert_true(calls > 100 && calls < bursts);
		assert_int_equal(vq_counters(s.r->vq)->calls, calls);
		scene_close(&s);
	}
}

/* Flags: on, off, by descriptor without EVENT_IDX, reserved, not readable */
static void test_packed_notify_by_flags(void **state)
{
	struct scene s;
	uint32_t len;

	(void)state;
	scene_open(&s, false, 0x8000, 0);
	assert_int_equal(mp_device_flags(s.r), VRING_PACKED_EVENT_FLAG_ENABLE);
	for (uint16_t flags = 0; flags < 4; flags++) {
		mp_set_event(s.r, 5, true, flags);
		assert_true(good_chain(&s) >= 0);
		mg_show(s.r);
		assert_int_equal(run(&s, 1), 1);
		assert_int_equal(interrupted(&s), flags != VRING_PACKED_EVENT_FLAG_DISABLE);
		assert_true(mg_used(s.r, &len) >= 0);
		/* The other way we poll */
		assert_int_equal(mp_device_flags(s.r), VRING_PACKED_EVENT_FLAG_DISABLE);
	}
	mp_set_event(s.r, 0, true, VRING_PACKED_EVENT_FLAG_DISABLE);
	mg_unmap_at(s.g, s.r->cfg.avail);
	assert_true(good_chain(&s) >= 0);
	mg_show(s.r);
	assert_int_equal(run(&s, 1), 1);
	assert_true(interrupted(&s));
	scene_close(&s);
}

static int start_with(struct mg_ring *r, uint64_t desc, uint64_t avail, uint64_t used,
		      uint16_t size, uint32_t base)
{
	return mg_ring_start(r, desc, avail, used, size, base, r->cfg.features);
}

static void test_packed_config(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s, false, 0, 0);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, 0x3000, 0, 0), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, 0x3000, 32769, 0), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1008, 0x2000, 0x3000, 24, 0), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1000, 0x2002, 0x3000, 24, 0), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, 0x3002, 24, 0), -EINVAL);
	assert_int_equal(start_with(s.r, -(uint64_t)368, 0x2000, 0x3000, 24, 0), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, 0x3000, 24, 24), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, 0x3000, 24, 0x8018), -EINVAL);
	assert_int_equal(start_with(s.r, -(uint64_t)384, -(uint64_t)4, -(uint64_t)4, 24, 0), 0);
	/* The used half is not looked at, and said as it is */
	thread_role_assume(&ctl_role);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, 0x3000, 32768, 0xffff), 0);
	assert_int_equal(vq_base(s.r->vq), 0xffffffff);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, 0x3000, 32767, 0x12348000), 0);
	assert_int_equal(vq_base(s.r->vq), 0x80008000);
	scene_close(&s);
}

/* Random, but with a good chance of meaning something */
static void random_ring(struct scene *s)
{
	static const uint32_t lens[] = {0, 1, 11, 12, 16, 26, 100, 5000, 70000, 0xffffffff};

	uint32_t odds = mg_rand(s->g, 10) ? 3 : 1; /* now and then a chain without end */

	for (uint16_t i = 0; i < SIZE + 20; i++) {
		bool table = i >= SIZE;
		uint64_t addr = mg_rand(s->g, 8) ? s->buf + mg_rand(s->g, 100000)
						 : s->table + mg_rand(s->g, 64);
		uint32_t len = mg_rand(s->g, 2) ? lens[mg_rand(s->g, RTE_DIM(lens))]
						: mg_rand(s->g, 32) * 16;
		uint16_t flags = (uint16_t)(s->dir ^ (mg_rand(s->g, 12) ? 0 : WRITE) ^
					    (mg_rand(s->g, odds) ? 0 : NEXT) ^
					    (mg_rand(s->g, 6) ? 0 : TABLE));

		flags |= mg_rand(s->g, 2) ? AVAIL : 0;
		flags |= mg_rand(s->g, 2) ? USED : 0;
		if (!mg_rand(s->g, 50))
			addr = (uint64_t)mg_rand(s->g, 1u << 31) << 33;
		mp_desc(s->g, table ? s->table : s->r->cfg.desc, table ? i - SIZE : i, addr, len,
			(uint16_t)mg_rand(s->g, 65536), flags);
	}
}

static void test_packed_random(void **state)
{
	static const uint64_t features[] = {0, MRG, ORDER};
	unsigned int in_pool = rte_mempool_avail_count(pool);

	(void)state;
	for (unsigned int f = 0; f < RTE_DIM(features); f++) {
		bool receive = features[f] == MRG;
		unsigned int broken = 0;
		struct scene s;

		scene_open(&s, receive, 0, INDIRECT | features[f]);
		for (unsigned int i = 0; i < 20000; i++) {
			random_ring(&s);
			for (int j = 0; j < 3; j++) {
				run(&s, 8);
				mg_answer(s.g, 1000);
			}
			broken += vq_broken(s.r->vq);
			thread_role_assume(&ctl_role);
			s.r->cfg.base = mg_rand(s.g, SIZE) | (mg_rand(s.g, 2) << 15);
			assert_int_equal(vq_start(s.r->vq, &s.r->cfg), 0);
		}
		assert_true(broken > 0);
		assert_true(vq_counters(s.r->vq)->packets > 0);
		assert_true(vq_counters(s.r->vq)->err_indirect > 0);
		scene_close(&s);
	}
	assert_int_equal(rte_mempool_avail_count(pool), in_pool);
}

/* The device reads what it uses once, though the guest changes it meanwhile.
 * This is a race on purpose, so not for ThreadSanitizer.
 */
#ifndef __SANITIZE_THREAD__
struct scribbler {
	struct scene *s;
	atomic_bool stop;
};

static void *scribble(void *arg)
{
	struct scribbler *sc = arg;
	uint8_t *desc = mg_host(sc->s->g, sc->s->r->cfg.desc);
	uint64_t rng = 88172645463325252ull;

	while (!atomic_load_explicit(&sc->stop, memory_order_relaxed)) {
		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		/* Length, ID, flags */
		desc[16 * ((rng & 0xff) % SIZE) + 8 + (rng >> 8) % 8] = (uint8_t)(rng >> 40);
	}
	return NULL;
}

static void test_packed_changes_while_read(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		bool receive = kind == 1;
		struct scene s;
		struct scribbler sc = {.s = &s};
		pthread_t id;

		scene_open(&s, receive, 0x8000, INDIRECT | MRG | (kind == 2 ? ORDER : 0));
		random_ring(&s);
		assert_int_equal(pthread_create(&id, NULL, scribble, &sc), 0);
		for (unsigned int i = 0; i < 30000; i++) {
			run(&s, 8);
			thread_role_assume(&ctl_role);
			assert_int_equal(vq_start(s.r->vq, &s.r->cfg), 0);
		}
		atomic_store(&sc.stop, true);
		pthread_join(id, NULL);
		scene_close(&s);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest more[] = {
		cmocka_unit_test(test_packed_bad_within_merged_frame),
		cmocka_unit_test(test_packed_unfinished_frame),
		cmocka_unit_test(test_packed_chain_without_end),
		cmocka_unit_test(test_packed_notify_by_descriptor),
		cmocka_unit_test(test_packed_notify_by_flags),
		cmocka_unit_test(test_packed_config),
		cmocka_unit_test(test_packed_random),
#ifndef __SANITIZE_THREAD__
		cmocka_unit_test(test_packed_changes_while_read),
#endif
	};
	struct CMUnitTest tests[RTE_DIM(offences) + RTE_DIM(more)];
	unsigned int i;

	mg_eal_init();
	pool = rte_pktmbuf_pool_create("packed", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (!pool)
		return 1;
	for (i = 0; i < RTE_DIM(offences); i++)
		tests[i] = (struct CMUnitTest){offences[i].name, test_packed_offence, NULL, NULL,
					       (void *)(uintptr_t)&offences[i]};
	memcpy(tests + i, more, sizeof(more));
	return _cmocka_run_group_tests("vq_packed", tests, RTE_DIM(tests), NULL, NULL);
}
