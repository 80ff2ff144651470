/* SPDX-License-Identifier: BSD-3-Clause */
/* test_gate_log.c - The log of dirty pages: taken, replaced, refused, and complete
 *
 * Port of vm1 always has frames: what is offered to its receive rings is filled.
 */
#include "tests/unit/daemon/gate_fixture.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "daemon/backing.h"
#include "daemon/topology.h"
#include "datapath/counters.h"
#include "datapath/vq.h"
#include "iotlb/iotlb.h"

#define LOG_NAME "vunetd-test-log"
#define LOG_ALL	 BIT(VHOST_F_LOG_ALL)
#define PAGE	 4096u
/* A bit for each page up to the last one of region 1 */
#define LOG_SIZE ((GPA_1 + REGION_SIZE) / PAGE / 8)

static uint8_t before[2 * REGION_SIZE];

static struct guest *guest(unsigned int i)
{
	return &fixture.guests[i];
}

static struct ring *ring(unsigned int i)
{
	return &guest(VM1)->dev.rings[i];
}

/**
 * struct bitmap - A log as its front-end sees it
 * @fd:		File
 * @bits:	Mapped
 * @size:	Bytes of the file
 */
struct bitmap {
	int fd;
	uint8_t *bits;
	size_t size;
};

static struct bitmap bitmap_new(uint64_t size)
{
	struct bitmap b = {.fd = memfd_create(LOG_NAME, MFD_CLOEXEC), .size = size};

	assert_true(b.fd >= 0);
	assert_int_equal(ftruncate(b.fd, (off_t)size), 0);
	b.bits = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, b.fd, 0);
	assert_true(b.bits != MAP_FAILED);
	return b;
}

static void bitmap_free(struct bitmap *b)
{
	munmap(b->bits, b->size);
	close(b->fd);
}

/* Pages marked, and none of them any more */
static unsigned int bitmap_take(struct bitmap *b)
{
	unsigned int n = 0;

	for (size_t i = 0; i < b->size; i++)
		if (b->bits[i])
			n += (unsigned int)__builtin_popcount(
				__atomic_exchange_n(&b->bits[i], 0, __ATOMIC_ACQ_REL));
	return n;
}

static bool bitmap_has(const struct bitmap *b, uint64_t gpa)
{
	return b->bits[gpa / PAGE / 8] >> gpa / PAGE % 8 & 1;
}

/* QEMU's: it asks for no acknowledgement, as the message has an answer of its own */
static bool send_log(int fd, uint64_t size, uint64_t offset, const int *fds, unsigned int n_fds)
{
	struct vu_log log = {.size = size, .offset = offset};
	struct vu_msg reply;

	front_send(fd, VU_SET_LOG_BASE, 0, &log, sizeof(log), fds, n_fds);
	if (!front_receive(fd, &reply))
		return false;
	assert_int_equal(reply.hdr.request, VU_SET_LOG_BASE);
	assert_int_equal(reply.hdr.flags, VU_VERSION | VU_REPLY);
	assert_int_equal(reply.hdr.size, sizeof(uint64_t));
	assert_int_equal(reply.payload.u64, 0);
	return true;
}

/* What was written to since @before, while nothing runs, must be marked; how much was */
static unsigned int compare(const struct bitmap *b)
{
	unsigned int changed = 0;

	for (uint64_t off = 0; off < 2 * REGION_SIZE; off += PAGE) {
		uint64_t gpa = off < REGION_SIZE ? GPA_0 + off : GPA_1 + (off - REGION_SIZE);

		if (!memcmp(before + off, mem + off, PAGE))
			continue;
		changed++;
		if (!bitmap_has(b, gpa))
			fail_msg("the page at 0x%lx is not marked", (unsigned long)gpa);
	}
	return changed;
}

static void snapshot(void)
{
	memcpy(before, mem, sizeof(before));
}

static void stop_ring(int fd, uint32_t index)
{
	struct vu_vring_state s = {.index = index};
	struct vu_msg reply;

	front_send(fd, VU_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0);
	assert_true(front_receive(fd, &reply));
}

/* ------------------------------------------------------------- what is logged -- */

static void logs_what_is_written(bool viommu)
{
	struct bitmap b = bitmap_new(LOG_SIZE);
	int fd = front_open(VM1);
	unsigned int changed;

	front_negotiate(fd, FEATURES | LOG_ALL | (viommu ? VIOMMU : 0));
	assert_true(send_log(fd, LOG_SIZE, 0, &b.fd, 1));
	if (viommu)
		front_map(fd);
	guest_offer(0, 0, 200, viommu, true);
	guest_offer(1, 0, 100, viommu, false);
	snapshot();
	front_ring(fd, 0, 0, viommu, -1);
	front_ring(fd, 1, 0, viommu, -1);
	SERVE_UNTIL(guest_used(0) == 200 && guest_used(1) == 100);
	stop_ring(fd, 0);
	stop_ring(fd, 1);
	changed = compare(&b);
	/* Of each used ring a page, and the receive buffers' */
	assert_true(changed > 50);
	assert_int_equal(bitmap_take(&b), changed);
	assert_true(vq_counters(ring(0)->vq)->logged > 50);

	/* From the answers on nothing is written any more, whatever is offered */
	guest_offer(0, 200, 50, viommu, true);
	guest_offer(1, 100, 50, viommu, false);
	snapshot();
	for (unsigned int i = 0; i < 50; i++) {
		serve();
		usleep(100);
	}
	assert_int_equal(memcmp(before, mem, sizeof(before)), 0);
	assert_int_equal(bitmap_take(&b), 0);
	bitmap_free(&b);
}

static void test_log_all(void **state)
{
	(void)state;
	logs_what_is_written(false);
}

static void test_log_all_viommu(void **state)
{
	(void)state;
	logs_what_is_written(true);
}

/* In the order of QEMU's, with rings that run; the log begins anywhere in its file */
static void test_log_on_and_off_while_running(void **state)
{
	uint64_t features = FEATURES | VIOMMU, offset = 4096 + 24;
	struct bitmap b = bitmap_new(offset + LOG_SIZE);
	struct bitmap seen = b;
	int fd = front_open(VM1);
	uint16_t n = 0;

	(void)state;
	thread_role_assume(&ctl_role);
	seen.bits += offset;
	seen.size = LOG_SIZE;
	front_negotiate(fd, features);
	front_map(fd);
	front_ring(fd, 0, 0, true, -1);
	for (unsigned int i = 0; i < 10; i++) {
		struct vu_vring_addr addr = {.index = 0,
					     .flags = 1u << VHOST_VRING_F_LOG,
					     .desc = RING_IOVA + RING_DESC(0),
					     .avail = RING_IOVA + RING_AVAIL(0),
					     .used = RING_IOVA + RING_USED(0),
					     .log = RING_IOVA + RING_USED(0)};

		guest_offer(0, n, 20, true, true);
		n = (uint16_t)(n + 20);
		SERVE_UNTIL(guest_used(0) == n);
		assert_int_equal(bitmap_take(&b), 0);
		/* All frames are alike */
		memset(mem + REGION_SIZE, 0xa0 + (int)i, REGION_SIZE);
		snapshot();
		assert_true(send_log(fd, LOG_SIZE, offset, &b.fd, 1));
		assert_int_equal(front_u64(fd, VU_SET_FEATURES, features | LOG_ALL), 0);
		/* Nothing of what the front-end mapped has to be asked for again */
		assert_true(iotlb_maps(guest(VM1)->dev.tlb, BUF_IOVA, IOTLB_WRITE));
		assert_int_equal(front_ask(fd, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 0);
		assert_true(ring(0)->running);
		guest_offer(0, n, 20, true, true);
		/* The driver's own writes are not ours to log */
		memcpy(before + RING_DESC(0), mem + RING_DESC(0), RING_USED(0) - RING_DESC(0));
		n = (uint16_t)(n + 20);
		SERVE_UNTIL(guest_used(0) == n);
		assert_int_equal(front_u64(fd, VU_SET_FEATURES, features), 0);
		addr.flags = 0;
		assert_int_equal(front_ask(fd, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 0);
		assert_true(compare(&seen) >= 10);
		assert_true(bitmap_take(&seen) >= 10);
		/* Nothing in front of it */
		assert_int_equal(bitmap_take(&b), 0);
	}
	bitmap_free(&b);
}

/* Either of the two ways to ask is enough */
static void test_log_of_a_ring(void **state)
{
	struct vu_vring_addr addr = {.index = 0,
				     .flags = 1u << VHOST_VRING_F_LOG,
				     .desc = USER_0 + RING_DESC(0),
				     .avail = USER_0 + RING_AVAIL(0),
				     .used = USER_0 + RING_USED(0),
				     .log = GPA_0 + RING_USED(0)};
	struct bitmap b = bitmap_new(LOG_SIZE);
	int fd = front_open(VM1);

	(void)state;
	front_negotiate(fd, FEATURES);
	assert_true(send_log(fd, LOG_SIZE, 0, &b.fd, 1));
	front_ring(fd, 0, 0, false, -1);
	guest_offer(0, 0, 20, false, true);
	SERVE_UNTIL(guest_used(0) == 20);
	assert_int_equal(bitmap_take(&b), 0);
	assert_int_equal(front_ask(fd, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 0);
	guest_offer(0, 20, 20, false, true);
	SERVE_UNTIL(guest_used(0) == 40);
	stop_ring(fd, 0);
	assert_true(bitmap_has(&b, GPA_0 + RING_USED(0)));
	assert_true(bitmap_take(&b) >= 10);
	bitmap_free(&b);
}

/* ----------------------------------------------------------- waiting for one -- */

/* As QEMU does when a device starts in the middle of a migration */
static void test_log_comes_last(void **state)
{
	struct bitmap b = bitmap_new(LOG_SIZE);
	int fd = front_open(VM1);

	(void)state;
	front_negotiate(fd, FEATURES | LOG_ALL);
	guest_offer(0, 0, 20, false, true);
	snapshot();
	front_ring(fd, 0, 0, false, -1);
	for (unsigned int i = 0; i < 100; i++)
		serve();
	assert_false(ring(0)->running);
	assert_int_equal(memcmp(before, mem, sizeof(before)), 0);
	assert_true(send_log(fd, LOG_SIZE, 0, &b.fd, 1));
	assert_true(ring(0)->running);
	SERVE_UNTIL(guest_used(0) == 20);
	stop_ring(fd, 0);
	assert_true(compare(&b) >= 10);
	bitmap_free(&b);
}

/* More memory than the log has bits for: rings stand still until a larger one comes */
static void test_log_memory_outgrows_it(void **state)
{
	struct vu_memory m = {.n_regions = 2,
			      .regions = {{GPA_0, REGION_SIZE, USER_0, 0},
					  {GPA_1 + PAGE, REGION_SIZE, USER_1, REGION_SIZE}}};
	struct bitmap b = bitmap_new(LOG_SIZE), larger = bitmap_new(LOG_SIZE + 1);
	int fds[] = {mem_fd, mem_fd}, fd = front_open(VM1);

	(void)state;
	front_negotiate(fd, FEATURES | LOG_ALL);
	assert_true(send_log(fd, LOG_SIZE, 0, &b.fd, 1));
	front_ring(fd, 0, 0, false, -1);
	assert_true(ring(0)->running);
	assert_int_equal(
		front_ask(fd, VU_SET_MEM_TABLE, &m, offsetof(struct vu_memory, regions[2]), fds, 2),
		0);
	assert_false(ring(0)->running);
	assert_true(send_log(fd, LOG_SIZE + 1, 0, &larger.fd, 1));
	assert_true(ring(0)->running);
	/* Logging nothing, a ring needs no log */
	assert_int_equal(front_memory(fd), 0);
	bitmap_free(&b);
	bitmap_free(&larger);
}

/* Without LOG_ALL the same is no reason to wait */
static void test_log_not_needed(void **state)
{
	int fd = front_open(VM1);

	(void)state;
	front_negotiate(fd, FEATURES | LOG_ALL);
	front_ring(fd, 0, 0, false, -1);
	assert_false(ring(0)->running);
	assert_int_equal(front_u64(fd, VU_SET_FEATURES, FEATURES), 0);
	assert_true(ring(0)->running);
}

/* From the answer on, the former log is the front-end's alone */
static void test_log_replaced_while_running(void **state)
{
	struct bitmap logs[2] = {bitmap_new(LOG_SIZE), bitmap_new(LOG_SIZE + 4096)};
	int fd = front_open(VM1);
	uint16_t n = 0;

	(void)state;
	front_negotiate(fd, FEATURES | LOG_ALL);
	assert_true(send_log(fd, logs[0].size, 0, &logs[0].fd, 1));
	front_ring(fd, 0, 0, false, -1);
	for (unsigned int i = 1; i < 20; i++) {
		guest_offer(0, n, 20, false, true);
		n = (uint16_t)(n + 20);
		assert_true(send_log(fd, logs[i % 2].size, 0, &logs[i % 2].fd, 1));
		(void)bitmap_take(&logs[!(i % 2)]);
		guest_offer(0, n, 20, false, true);
		n = (uint16_t)(n + 20);
		SERVE_UNTIL(guest_used(0) == n);
		assert_int_equal(bitmap_take(&logs[!(i % 2)]), 0);
		assert_true(bitmap_take(&logs[i % 2]) > 0);
		/* One mapping of ours for the one in use, beside the test's own */
		assert_int_equal(count_maps(LOG_NAME), 3);
	}
	bitmap_free(&logs[0]);
	bitmap_free(&logs[1]);
	front_close(fd);
	SERVE_UNTIL(guest(VM1)->front.fd < 0);
	assert_int_equal(count_maps(LOG_NAME), 0);
}

/* Frames dropped for want of a guest, at all queues of vm1's port */
static uint64_t dropped_as_away(void)
{
	uint64_t n = 0;

	thread_role_assume(&ctl_role);
	for (unsigned int q = 0; q < N_RINGS / 2; q++)
		n += COUNTER_READ(topology_counters(fixture.topo, guest(VM1)->conf->wire, q)
					  ->drop_guest_down);
	return n;
}

/* What changes a device under its rings does not make its guest seem away; the port
 * always has frames
 */
static void test_changes_drop_nothing(void **state)
{
	struct bitmap b = bitmap_new(LOG_SIZE);
	int fd = front_open(VM1);
	uint64_t then;

	(void)state;
	front_negotiate(fd, FEATURES);
	for (uint32_t i = 0; i < N_RINGS; i++)
		front_ring(fd, i, 0, false, -1);
	then = dropped_as_away();
	for (unsigned int i = 0; i < 20; i++) {
		assert_true(send_log(fd, LOG_SIZE, 0, &b.fd, 1));
		assert_int_equal(front_u64(fd, VU_SET_FEATURES, FEATURES | LOG_ALL), 0);
		assert_int_equal(front_addr(fd, i % N_RINGS, USER_0 + RING_DESC(i % N_RINGS),
					    USER_0 + RING_AVAIL(i % N_RINGS),
					    USER_0 + RING_USED(i % N_RINGS)),
				 0);
		assert_int_equal(front_memory(fd), 0);
		assert_int_equal(front_u64(fd, VU_SET_FEATURES, FEATURES), 0);
	}
	assert_int_equal(dropped_as_away(), then);
	/* Away it is if it does not come back */
	assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, 0, 0), 0);
	assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, 2, 0), 0);
	SERVE_UNTIL(dropped_as_away() > then);
	bitmap_free(&b);
}

/* -------------------------------------------------------------- what is refused -- */

/* No answer, and the connection ends: QEMU reads no error out of the answer */
static void refused_log(uint64_t size, uint64_t offset, const int *fds, unsigned int n_fds)
{
	int fd = front_open(VM2);

	front_negotiate(fd, FEATURES);
	assert_false(send_log(fd, size, offset, fds, n_fds));
	assert_null(guest(VM2)->dev.log.area);
	front_close(fd);
}

static void test_set_log_base_refused(void **state)
{
	struct bitmap b = bitmap_new(LOG_SIZE + 8192);
	const struct {
		uint64_t size, offset;
	} bad[] = {
		{0, 0},
		{LOG_SIZE - 1, 0}, /* no bit for the highest page */
		{1, 0},
		{LOG_SIZE + 8193, 0}, /* longer than its file */
		{LOG_SIZE, 8193},
		{LOG_SIZE, UINT64_MAX},
		{LOG_SIZE, UINT64_MAX - LOG_SIZE + 1}, /* wrapping */
		{UINT64_MAX, 0},
		{UINT64_MAX, 1},
		{INT64_MAX, 0},
		{LOG_SIZE, INT64_MAX},
	};
	int two[] = {b.fd, b.fd};

	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused_log(bad[i].size, bad[i].offset, &b.fd, 1);
	refused_log(LOG_SIZE, 0, NULL, 0);
	refused_log(LOG_SIZE, 0, two, 2);
	bitmap_free(&b);
	assert_int_equal(count_maps(LOG_NAME), 0);
}

static void test_set_log_base_no_file(void **state)
{
	struct bitmap b = bitmap_new(LOG_SIZE);
	char path[64];
	int pipes[2], file;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	refused_log(LOG_SIZE, 0, &pipes[1], 1);
	close(pipes[0]);
	close(pipes[1]);
	file = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	refused_log(LOG_SIZE, 0, &file, 1);
	close(file);
	file = open("/dev/zero", O_RDWR | O_CLOEXEC);
	refused_log(LOG_SIZE, 0, &file, 1);
	close(file);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", b.fd);
	file = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(file >= 0);
	refused_log(LOG_SIZE, 0, &file, 1);
	close(file);
	bitmap_free(&b);
}

/* More than an address space has room for */
static void test_set_log_base_huge(void **state)
{
	int file = memfd_create(LOG_NAME, MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(file, INT64_MAX), 0);
	refused_log(INT64_MAX, 0, &file, 1);
	close(file);
}

static void test_set_log_base_not_negotiated(void **state)
{
	struct bitmap b = bitmap_new(LOG_SIZE);
	int fd = front_open(VM2);

	(void)state;
	assert_int_equal(front_u64(fd, VU_SET_PROTOCOL_FEATURES, BIT(VU_PROTOCOL_F_REPLY_ACK)), 0);
	assert_false(send_log(fd, LOG_SIZE, 0, &b.fd, 1));
	bitmap_free(&b);
}

static void test_set_log_fd(void **state)
{
	int fd = front_open(VM2), event = eventfd(0, EFD_CLOEXEC);

	(void)state;
	assert_int_equal(front_ask(fd, VU_SET_LOG_FD, NULL, 0, &event, 1), 0);
	assert_int_equal(front_ask(fd, VU_SET_LOG_FD, NULL, 0, NULL, 0), ERROR_REPLY);
	assert_true(front_alive(fd));
	close(event);
}

/* A log whose file is truncated under the rings costs its guest only */
static void test_log_truncated(void **state)
{
	struct bitmap b = bitmap_new(LOG_SIZE);
	int fd = front_open(VM1), other = front_open(VM2);
	uint16_t n = 0;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(backing_start(), 0); /* within a test the signal is cmocka's */
	front_negotiate(fd, FEATURES | LOG_ALL);
	front_negotiate(other, FEATURES);
	assert_true(send_log(fd, LOG_SIZE, 0, &b.fd, 1));
	front_ring(fd, 0, 0, false, -1);
	front_ring(other, 1, 0, false, -1);
	guest_offer(0, 0, 20, false, true);
	SERVE_UNTIL(guest_used(0) == 20);
	guest_check(guest(VM1));
	assert_true(front_alive(fd));

	assert_int_equal(ftruncate(b.fd, 0), 0);
	for (n = 20; !backing_lost(VM1) && n < 60000; n = (uint16_t)(n + 20)) {
		guest_offer(0, n, 20, false, true);
		SERVE_UNTIL(guest_used(0) == (uint16_t)(n + 20) || backing_lost(VM1));
	}
	assert_true(backing_lost(VM1));
	guest_check(guest(VM1));
	assert_true(front_ended(fd));
	assert_false(backing_lost(VM1));

	guest_offer(1, 0, 20, false, false);
	SERVE_UNTIL(guest_used(1) == 20);
	guest_check(guest(VM2));
	assert_true(front_alive(other));
	munmap(b.bits, b.size);
	close(b.fd);
	assert_int_equal(count_maps(LOG_NAME), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATE_TEST(test_log_all),
		GATE_TEST(test_log_all_viommu),
		GATE_TEST(test_log_on_and_off_while_running),
		GATE_TEST(test_log_of_a_ring),
		GATE_TEST(test_log_comes_last),
		GATE_TEST(test_log_memory_outgrows_it),
		GATE_TEST(test_log_not_needed),
		GATE_TEST(test_log_replaced_while_running),
		GATE_TEST(test_changes_drop_nothing),
		GATE_TEST(test_set_log_base_refused),
		GATE_TEST(test_set_log_base_no_file),
		GATE_TEST(test_set_log_base_huge),
		GATE_TEST(test_set_log_base_not_negotiated),
		GATE_TEST(test_set_log_fd),
		GATE_TEST(test_log_truncated),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
