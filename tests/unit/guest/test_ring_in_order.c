/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ring_in_order.c - The test guest's ring with IN_ORDER, and backends that break it
 *
 * The tests play the device by hand, in the rings' memory.  Each is run with
 * both layouts, from a position where indexes and wrap counters are about to wrap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/guest/ring.h"

#define SIZE	  8
#define BASE	  65533
#define LEN	  100
#define WRITTEN	  60
#define TABLE_MAX 4

/**
 * struct fixture - A ring, and where the device is in it
 * @mem:	Memory behind it
 * @ring:	Ring
 * @used:	Next used entry to write
 */
struct fixture {
	struct memory mem;
	struct ring ring;
	uint16_t used;
};

/**
 * open_ring() - Make a ring
 */
static void open_ring(struct fixture *f, bool packed, bool device_writes, uint32_t chain)
{
	const struct ring_conf conf = {
		.size = SIZE, .chain = chain, .base = BASE, .packed = packed, .in_order = true};

	memset(f, 0, sizeof(*f));
	ring_layout(&f->ring, &f->mem.rings, &conf);
	arena_take(&f->mem.buffers, 4096, 4096, false);
	assert_int_equal(memory_back(&f->mem, 12, false, 1), 0);
	assert_int_equal(ring_init(&f->ring, &f->mem.rings, device_writes), 0);
	f->used = BASE;
}

/**
 * close_ring() - Free it
 */
static void close_ring(struct fixture *f)
{
	ring_free(&f->ring);
	memory_free(&f->mem);
}

/**
 * use() - Play the device: one used entry that stands for others
 * @f:		Fixture
 * @id:		Named by it
 * @slots:	Entries of the ring, chains in a split one, to the next used one
 */
static void use(struct fixture *f, uint16_t id, uint16_t slots)
{
	struct ring *r = &f->ring;
	uint16_t at = f->used & (SIZE - 1);

	f->used += slots;
	if (!r->packed) {
		r->used->ring[at] = (struct vring_used_elem){.id = id, .len = WRITTEN};
		r->used->idx = f->used;
		return;
	}
	r->slots[at].id = id;
	r->slots[at].len = WRITTEN;
	r->slots[at].flags = (uint16_t)(r->write | (packed_wrap(r, (uint16_t)(f->used - slots))
							    ? PACKED_AVAIL | PACKED_USED
							    : 0));
}

/**
 * head_of() - Id by which the device knows the chain at a position
 * @n:	Descriptors of each chain
 */
static uint16_t head_of(const struct fixture *f, uint16_t first, unsigned int n)
{
	const struct ring *r = &f->ring;

	if (!r->packed)
		return r->avail->ring[first & (SIZE - 1)];
	return r->slots[(first + n - 1) & (SIZE - 1)].id;
}

/**
 * take() - Take the next used chain
 *
 * Return: Its cookie, or COOKIE_NONE
 */
static uint32_t take(struct fixture *f, uint32_t *ret_len)
{
	uint32_t id = ring_take(&f->ring, ret_len), cookie = COOKIE_NONE;

	if (id == f->ring.size)
		return cookie;
	cookie = f->ring.cookie[id];
	ring_release(&f->ring, id);
	return cookie;
}

static void one_entry_for_three(bool packed, bool device_writes)
{
	struct fixture f;
	uint32_t round, i, len;

	open_ring(&f, packed, device_writes, 0);
	for (round = 0; round < 40; round++) {
		for (i = 0; i < 5; i++)
			ring_add(&f.ring, 0x1000 * i, LEN, 5 * round + i);
		ring_publish(&f.ring);
		use(&f, head_of(&f, f.used + 2, 1), 3);
		assert_int_equal(ring_used_count(&f.ring), 3);
		use(&f, head_of(&f, f.used, 1), 1);
		use(&f, head_of(&f, f.used, 1), 1);
		assert_int_equal(ring_used_count(&f.ring), 5);
		for (i = 0; i < 5; i++) {
			assert_int_equal(take(&f, &len), 5 * round + i);
			/* Those without an entry were used completely */
			if (device_writes)
				assert_int_equal(len, i < 2 ? LEN : WRITTEN);
		}
	}
	assert_int_equal(f.ring.errors, 0);
	assert_int_equal(f.ring.n_free, SIZE);
	close_ring(&f);
}

static void test_take_one_entry_for_many(void **state)
{
	(void)state;
	one_entry_for_three(false, false);
	one_entry_for_three(false, true);
	one_entry_for_three(true, false);
	one_entry_for_three(true, true);
}

static void chains(bool packed)
{
	const struct seg segs[3] = {{0x1000, 10}, {0x2000, 20}, {0x3000, 30}};
	struct fixture f;
	uint32_t round, len;

	open_ring(&f, packed, true, 0);
	for (round = 0; round < 20; round++) {
		uint16_t step = packed ? 3 : 1;

		assert_true(ring_add_chain(&f.ring, segs, 3, 2 * round));
		assert_true(ring_add_chain(&f.ring, segs, 3, 2 * round + 1));
		assert_false(ring_add_chain(&f.ring, segs, 3, 0));
		ring_publish(&f.ring);
		use(&f, head_of(&f, f.used + step, 3), 2 * step);
		assert_int_equal(ring_used_count(&f.ring), 2);
		assert_int_equal(take(&f, &len), 2 * round);
		assert_int_equal(len, 60);
		assert_int_equal(take(&f, &len), 2 * round + 1);
		assert_int_equal(len, WRITTEN);
	}
	assert_int_equal(f.ring.errors, 0);
	close_ring(&f);
}

static void test_take_chains(void **state)
{
	(void)state;
	chains(false);
	chains(true);
}

static void test_add_descriptors_in_ring_order(void **state)
{
	const struct seg segs[3] = {{0x1000, 10}, {0x2000, 20}, {0x3000, 30}};
	unsigned int round, i, expected = 0;
	struct fixture f;
	uint32_t len;

	(void)state;
	open_ring(&f, false, false, 0);
	for (round = 0; round < 20; round++) {
		unsigned int id;

		assert_true(ring_add_chain(&f.ring, segs, 3, 1));
		ring_publish(&f.ring);
		id = head_of(&f, f.used, 3);
		/* Virtio 1.2, 2.7.5.2: from 0, and each leads to the next */
		for (i = 0; i < 3; i++, expected = (expected + 1) % SIZE) {
			assert_int_equal(id, expected);
			id = f.ring.desc[id].next;
		}
		use(&f, head_of(&f, f.used, 3), 1);
		assert_int_equal(ring_used_count(&f.ring), 1);
		assert_int_equal(take(&f, &len), 1);
	}
	close_ring(&f);
}

static void test_take_before_its_turn(void **state)
{
	struct fixture f;
	uint32_t len;

	(void)state;
	open_ring(&f, false, false, 0);
	ring_add(&f.ring, 0x1000, LEN, 1);
	ring_add(&f.ring, 0x2000, LEN, 2);
	ring_publish(&f.ring);
	/* The second, and the index says that it is one only */
	use(&f, head_of(&f, f.used + 1, 1), 1);
	assert_int_equal(ring_used_count(&f.ring), 1);
	assert_int_equal(take(&f, &len), COOKIE_NONE);
	assert_int_equal(f.ring.errors, 1);
	close_ring(&f);
}

static void passed_over(bool packed)
{
	struct fixture f;
	uint32_t i, len;
	uint16_t first;

	open_ring(&f, packed, false, 0);
	for (i = 0; i < 4; i++)
		ring_add(&f.ring, 0x1000 * i, LEN, i);
	ring_publish(&f.ring);
	first = head_of(&f, f.used, 1);
	/* The second stands for the first, too, which is then used again */
	use(&f, head_of(&f, f.used + 1, 1), 2);
	use(&f, first, 1);
	assert_int_equal(ring_used_count(&f.ring), 3);
	assert_int_equal(take(&f, &len), 0);
	assert_int_equal(take(&f, &len), 1);
	assert_int_equal(take(&f, &len), COOKIE_NONE);
	assert_int_equal(f.ring.errors, 1);
	close_ring(&f);
}

static void test_take_what_was_passed_over(void **state)
{
	(void)state;
	passed_over(false);
	passed_over(true);
}

static void never_added(bool packed)
{
	struct fixture f;
	uint32_t len;

	open_ring(&f, packed, false, 0);
	ring_add(&f.ring, 0x1000, LEN, 1);
	ring_publish(&f.ring);
	/* Added and not yet published is as good as not added */
	ring_add(&f.ring, 0x2000, LEN, 2);
	use(&f, 1, 1);
	assert_int_equal(ring_used_count(&f.ring), 1);
	assert_int_equal(take(&f, &len), COOKIE_NONE);
	assert_int_equal(f.ring.errors, 1);
	close_ring(&f);
}

static void test_take_what_was_never_there(void **state)
{
	(void)state;
	never_added(false);
	never_added(true);
}

static void indirect(bool packed)
{
	const struct seg segs[2] = {{0x1000, 10}, {0x2000, 20}};
	struct fixture f;
	uint32_t i, len, cookies[SIZE];

	open_ring(&f, packed, true, TABLE_MAX);
	for (i = 0; i < SIZE; i++)
		assert_true(ring_add_chain(&f.ring, segs, 2, i));
	ring_publish(&f.ring);
	use(&f, head_of(&f, f.used + 5, 1), 6);
	/* Not read yet, known to be used all the same */
	assert_int_equal(ring_pending(&f.ring, cookies, SIZE), 2);
	assert_int_equal(cookies[0], 6);
	assert_int_equal(ring_used_count(&f.ring), 6);
	for (i = 0; i < 6; i++) {
		assert_int_equal(take(&f, &len), i);
		assert_int_equal(len, i < 5 ? 30 : WRITTEN);
	}
	close_ring(&f);
}

static void test_take_indirect_tables(void **state)
{
	(void)state;
	indirect(false);
	indirect(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take_one_entry_for_many),
		cmocka_unit_test(test_take_chains),
		cmocka_unit_test(test_add_descriptors_in_ring_order),
		cmocka_unit_test(test_take_before_its_turn),
		cmocka_unit_test(test_take_what_was_passed_over),
		cmocka_unit_test(test_take_what_was_never_there),
		cmocka_unit_test(test_take_indirect_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
