/* SPDX-License-Identifier: BSD-3-Clause */
/* test_dirty_log_race.c - A front-end copies pages while they are written to
 *
 * One thread writes a word and marks its page, the way vq_log_flush() does; the
 * other takes the mark away and copies the word, whenever it finds one, as QEMU
 * does.  What is written while the mark is still set is the dangerous case: the
 * writer must not take it for its own and have its word missed.  After each write
 * both stop, and then the copy is right or the page is marked.
 *
 * Without the fence of vq_log_flush() this fails within a second on x86.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>

#include <cmocka.h>

#include "datapath/dirty_log.h"
#include "datapath/vq_log.h"

#define ROUNDS 300000

/* What both look at, each on a line of its own */
static struct {
	_Atomic uint64_t word;
	_Alignas(128) uint8_t bits[128];
	_Alignas(128) _Atomic uint64_t writer;
	_Alignas(128) _Atomic uint64_t reader;
} shared;

/* Wait for the other; yielding, as there may be one processor only */
static void meet(_Atomic uint64_t *mine, _Atomic uint64_t *other, uint64_t round)
{
	atomic_store_explicit(mine, round, memory_order_release);
	for (unsigned int spins = 0; atomic_load_explicit(other, memory_order_acquire) < round;)
		if (++spins % 1000 == 0)
			sched_yield();
}

static void *write_words(void *arg)
{
	struct vq *vq = arg;

	thread_role_assume(&pmd_role);
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		meet(&shared.writer, &shared.reader, 2 * i - 1);
		atomic_store_explicit(&shared.word, i, memory_order_relaxed);
		vq_log_note(vq, &shared.word, sizeof(shared.word));
		vq_log_flush(vq);
		meet(&shared.writer, &shared.reader, 2 * i);
	}
	return NULL;
}

static void test_dirty_log_no_write_is_lost(void **state)
{
	struct dirty_region region = {
		.host = (uintptr_t)&shared.word, .gpa = 0, .size = sizeof(shared.word)};
	uint64_t copy = 0, lost = 0, early = 0;
	struct dirty_log log;
	struct vq_marks marks = {0};
	struct vq *vq = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*vq));
	pthread_t thread;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_non_null(vq);
	memset(vq, 0, sizeof(*vq));
	assert_int_equal(dirty_log_init(&log, shared.bits, sizeof(shared.bits), &region, 1), 0);
	vq->log = &log;
	vq->marks = &marks;
	assert_int_equal(pthread_create(&thread, NULL, write_words, vq), 0);
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		/* It is marked from before, and taken away as the next word comes */
		shared.bits[0] = 1;
		meet(&shared.reader, &shared.writer, 2 * i - 1);
		if (__atomic_exchange_n(&shared.bits[0], 0, __ATOMIC_SEQ_CST))
			copy = atomic_load_explicit(&shared.word, memory_order_relaxed);
		meet(&shared.reader, &shared.writer, 2 * i);
		lost += copy != i && !shared.bits[0];
		early += copy != i;
	}
	pthread_join(thread, NULL);
	free(vq);
	assert_int_equal(lost, 0);
	/* Else it has shown nothing: some were copied before they were written */
	assert_true(early > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dirty_log_no_write_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
