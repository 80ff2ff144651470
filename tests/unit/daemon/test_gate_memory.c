/* SPDX-License-Identifier: BSD-3-Clause */
/* test_gate_memory.c - Memory tables: taken, replaced, refused */
#include "tests/unit/daemon/gate_fixture.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "daemon/backing.h"
#include "iotlb/iotlb.h"

static struct guest *guest(unsigned int i)
{
	return &fixture.guests[i];
}

static int send_table(int fd, const struct vu_memory *m, const int *fds, unsigned int n_fds)
{
	return front_ask(fd, VU_SET_MEM_TABLE, m,
			 (uint32_t)offsetof(struct vu_memory, regions[m->n_regions % 9]), fds,
			 n_fds);
}

/* A table of one region of @file is refused, and nothing of it stays */
static void refused_region(struct vu_region region, int file)
{
	struct vu_memory m = {.n_regions = 1, .regions = {region}};
	int fd = front_open(VM2);

	assert_int_equal(send_table(fd, &m, &file, 1), ERROR_REPLY);
	assert_null(guest(VM2)->dev.mem);
	assert_true(front_alive(fd));
	front_close(fd);
}

/* Without asking for a reply, the connection ends */
static void test_set_mem_table_refused_silently(void **state)
{
	struct vu_memory m = {.n_regions = 1, .regions = {{0, 0, 0, 0}}};
	int fd = front_open(VM2);

	(void)state;
	front_send(fd, VU_SET_MEM_TABLE, 0, &m, 40, &mem_fd, 1);
	assert_true(front_ended(fd));
}

static void test_set_mem_table_maps(void **state)
{
	int fd = front_open(VM1);
	const struct rte_vhost_memory *m;

	(void)state;
	thread_role_assume(&ctl_role);
	front_negotiate(fd, FEATURES);
	m = guest(VM1)->dev.mem;
	assert_non_null(m);
	assert_true(count_maps(MEM_NAME) > 1);
	/* Without a vIOMMU in use, guest-physical addresses translate by themselves */
	assert_true(iotlb_maps(guest(VM1)->dev.tlb, GPA_0, IOTLB_READ | IOTLB_WRITE));
	assert_true(iotlb_maps(guest(VM1)->dev.tlb, GPA_1 + REGION_SIZE - 1, IOTLB_WRITE));
	assert_false(iotlb_maps(guest(VM1)->dev.tlb, GPA_0 + REGION_SIZE, IOTLB_READ));
	/* The second region begins in the middle of the file */
	mem[REGION_SIZE + 5] = 0x5a;
	assert_int_equal(*(uint8_t *)device_user_to_host(&guest(VM1)->dev, USER_1 + 5, 1), 0x5a);
	assert_int_equal(front_u64(fd, VU_SET_FEATURES, FEATURES | VIOMMU), 0);
	assert_false(iotlb_maps(guest(VM1)->dev.tlb, GPA_0, IOTLB_READ));
}

static void test_device_user_to_host_edges(void **state)
{
	struct device *dev = &guest(VM1)->dev;
	int fd = front_open(VM1);

	(void)state;
	assert_null(device_user_to_host(dev, USER_0, 1));
	front_negotiate(fd, FEATURES);
	assert_non_null(device_user_to_host(dev, USER_0, REGION_SIZE));
	assert_null(device_user_to_host(dev, USER_0, REGION_SIZE + 1));
	assert_null(device_user_to_host(dev, USER_0 - 1, 2));
	assert_non_null(device_user_to_host(dev, USER_0 + REGION_SIZE - 1, 1));
	assert_null(device_user_to_host(dev, USER_0 + REGION_SIZE - 1, 2));
	assert_null(device_user_to_host(dev, USER_0 + REGION_SIZE, 1));
	assert_null(device_user_to_host(dev, USER_0 + 1, UINT64_MAX));
	assert_null(device_user_to_host(dev, UINT64_MAX, 2));
	assert_null(device_user_to_host(dev, 0, UINT64_MAX));
}

/* Rings stand still meanwhile and go on where they were */
static void test_set_mem_table_replaced_while_running(void **state)
{
	struct vu_memory m = {.n_regions = 3,
			      .regions = {{GPA_0, REGION_SIZE, USER_0, 0},
					  {GPA_1, REGION_SIZE, USER_1, REGION_SIZE},
					  {GPA_1 + REGION_SIZE, 4096, USER_1 + REGION_SIZE, 0}}};
	int fds[] = {mem_fd, mem_fd, mem_fd}, fd = front_open(VM1);

	(void)state;
	front_negotiate(fd, FEATURES);
	guest_offer(0, 0, 100, false, true);
	front_ring(fd, 0, 0, false, -1);
	SERVE_UNTIL(guest_used(0) == 100);
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(i % 2 ? front_memory(fd) : send_table(fd, &m, fds, 3), 0);
		assert_int_equal(guest(VM1)->dev.mem->nregions, i % 2 ? 2 : 3);
		assert_true(guest(VM1)->dev.rings[0].running);
		guest_offer(0, (uint16_t)(100 + i), 1, false, true);
		SERVE_UNTIL(guest_used(0) == 101 + i);
	}
}

/* The same addresses of another file, or of another place in the same one */
static void test_set_mem_table_other_file(void **state)
{
	struct vu_memory m = {.n_regions = 1, .regions = {{GPA_0, 4096, USER_0, 0}}};
	int fd = front_open(VM1), file = memfd_create("other", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(file, 4096), 0);
	assert_int_equal(pwrite(file, "o", 1, 0), 1);
	mem[0] = 'a';
	mem[8192] = 'b';
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(send_table(fd, &m, &mem_fd, 1), 0);
		assert_int_equal(*(char *)device_user_to_host(&guest(VM1)->dev, USER_0, 1), 'a');
		m.regions[0].mmap_offset = 8192;
		assert_int_equal(send_table(fd, &m, &mem_fd, 1), 0);
		assert_int_equal(*(char *)device_user_to_host(&guest(VM1)->dev, USER_0, 1), 'b');
		m.regions[0].mmap_offset = 0;
		assert_int_equal(send_table(fd, &m, &file, 1), 0);
		assert_int_equal(*(char *)device_user_to_host(&guest(VM1)->dev, USER_0, 1), 'o');
	}
	close(file);
}

/* The new table does not hold the rings: they stop, nothing else happens */
static void test_set_mem_table_without_the_rings(void **state)
{
	struct vu_memory m = {.n_regions = 1, .regions = {{GPA_1, REGION_SIZE, USER_1, 0}}};
	int fd = front_open(VM1);

	(void)state;
	front_negotiate(fd, FEATURES);
	front_ring(fd, 0, 0, false, -1);
	assert_true(guest(VM1)->dev.rings[0].running);
	assert_int_equal(send_table(fd, &m, &mem_fd, 1), 0);
	assert_false(guest(VM1)->dev.rings[0].running);
	assert_int_equal(front_memory(fd), 0);
	assert_true(guest(VM1)->dev.rings[0].running);
}

static void test_set_mem_table_count(void **state)
{
	static const struct {
		uint32_t n_regions, n_fds, size;
	} bad[] = {
		{0, 0, 8},  {1, 0, 40},	 {0, 1, 8},   {2, 1, 72},
		{1, 2, 40}, {8, 8, 263}, {9, 8, 264}, {UINT32_MAX, 8, 264},
		{1, 1, 8},  {1, 1, 39},	 {8, 8, 40},  {0x80000001, 1, 40},
	};
	struct vu_memory m;
	int fds[VU_MAX_FDS];

	(void)state;
	for (unsigned int i = 0; i < VU_MAX_FDS; i++) {
		fds[i] = mem_fd;
		m.regions[i] = (struct vu_region){i * 4096, 4096, USER_0 + i * 4096, 0};
	}
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = front_open(VM2);

		m.n_regions = bad[i].n_regions;
		assert_int_equal(
			front_ask(fd, VU_SET_MEM_TABLE, &m, bad[i].size, fds, bad[i].n_fds),
			ERROR_REPLY);
		assert_null(guest(VM2)->dev.mem);
		front_close(fd);
	}
}

static void test_set_mem_table_most_regions(void **state)
{
	struct vu_memory m = {.n_regions = VU_MAX_REGIONS};
	int fds[VU_MAX_FDS], fd = front_open(VM2);

	(void)state;
	for (unsigned int i = 0; i < VU_MAX_FDS; i++) {
		fds[i] = mem_fd;
		m.regions[i] = (struct vu_region){i * 4096, 4096, USER_0 + i * 4096, i * 8192};
	}
	assert_int_equal(send_table(fd, &m, fds, VU_MAX_FDS), 0);
	assert_int_equal(guest(VM2)->dev.mem->nregions, VU_MAX_REGIONS);
}

static void test_set_mem_table_bad_region(void **state)
{
	const uint64_t top = UINT64_MAX - 4095; /* the last page */

	(void)state;
	refused_region((struct vu_region){0, 0, USER_0, 0}, mem_fd);
	/* Addresses that wrap */
	refused_region((struct vu_region){top, 8192, USER_0, 0}, mem_fd);
	refused_region((struct vu_region){0, 8192, top, 0}, mem_fd);
	refused_region((struct vu_region){0, 8192, USER_0, top}, mem_fd);
	refused_region((struct vu_region){0, 4096, USER_0, top}, mem_fd);
	refused_region((struct vu_region){0, UINT64_MAX, USER_0, 0}, mem_fd);
	/* Beyond the file's end */
	refused_region((struct vu_region){0, 2 * REGION_SIZE + 1, USER_0, 0}, mem_fd);
	refused_region((struct vu_region){0, 4096, USER_0, 2 * REGION_SIZE - 4095}, mem_fd);
	refused_region((struct vu_region){0, 4096, USER_0, UINT64_C(1) << 40}, mem_fd);
}

static void test_set_mem_table_overlap(void **state)
{
	static const uint64_t second[][2] = {
		/* guest_addr, user_addr; the first region has 0x10000 and USER_0 */
		{0x10000, USER_1}, {0x11000, USER_1},	       {0xf001, USER_1},
		{0x20000, USER_0}, {0x20000, USER_0 + 0x1fff}, {0x20000, USER_0 - 0xfff},
		{0x11fff, USER_1},
	};
	int fds[] = {mem_fd, mem_fd};

	(void)state;
	for (unsigned int i = 0; i < sizeof(second) / sizeof(second[0]); i++) {
		struct vu_memory m = {.n_regions = 2,
				      .regions = {{0x10000, 0x2000, USER_0, 0},
						  {second[i][0], 0x1000, second[i][1], 0}}};
		int fd = front_open(VM2);

		assert_int_equal(send_table(fd, &m, fds, 2), ERROR_REPLY);
		m.regions[1] = m.regions[0]; /* the other way round */
		m.regions[0] = (struct vu_region){second[i][0], 0x1000, second[i][1], 0};
		assert_int_equal(send_table(fd, &m, fds, 2), ERROR_REPLY);
		/* Side by side is right */
		m.regions[0] = (struct vu_region){0xf000, 0x1000, USER_0 - 0x1000, 0};
		assert_int_equal(send_table(fd, &m, fds, 2), 0);
		front_close(fd);
	}
}

static void test_set_mem_table_no_file(void **state)
{
	const struct vu_region region = {0, 4096, USER_0, 0};
	int pipes[2], event = eventfd(0, EFD_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC), dir = open("/", O_RDONLY | O_CLOEXEC);
	int empty = memfd_create("empty", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	refused_region(region, pipes[0]);
	refused_region(region, event);
	refused_region(region, null);
	refused_region(region, zero);
	refused_region(region, dir);
	refused_region(region, empty);
	close(pipes[0]);
	close(pipes[1]);
	close(event);
	close(null);
	close(zero);
	close(dir);
	close(empty);
}

/* A file that has a name in memory is as good as a memfd */
static void test_set_mem_table_named_file(void **state)
{
	struct vu_memory m = {.n_regions = 1, .regions = {{0, 4096, USER_0, 0}}};
	char path[] = "/dev/shm/test_gate.XXXXXX";
	int file = mkstemp(path);

	(void)state;
	assert_true(file >= 0);
	assert_int_equal(ftruncate(file, 4096), 0);
	assert_int_equal(send_table(front_open(VM2), &m, &file, 1), 0);
	unlink(path);
	close(file);
}

/*
 * A file system that is neither known to be memory nor on a block device could
 * be FUSE, where a process answers page faults.  ramfs stands for it here.
 */
static void test_set_mem_table_other_file_system(void **state)
{
	char dir[] = "/tmp/test_gate_ramfs.XXXXXX", path[64];
	int file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	if (mount("none", dir, "ramfs", 0, NULL)) {
		rmdir(dir);
		skip(); /* only root may mount */
	}
	snprintf(path, sizeof(path), "%s/file", dir);
	file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(file, 4096), 0);
	refused_region((struct vu_region){0, 4096, USER_0, 0}, file);
	close(file);
	/* Its other descriptor is closed by a thread of its own (closer.h) */
	SERVE_UNTIL(!umount(dir));
	rmdir(dir);
}

/* What cannot be mapped costs nothing, however often it is tried */
static void test_set_mem_table_unmappable(void **state)
{
	const uint64_t huge = UINT64_C(1) << 50;
	int file = memfd_create("huge", MFD_CLOEXEC), read_only;
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", mem_fd);
	read_only = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read_only >= 0);
	assert_int_equal(ftruncate(file, (off_t)huge), 0);
	for (unsigned int i = 0; i < 50; i++) {
		refused_region((struct vu_region){0, huge, USER_0, 0}, file);
		refused_region((struct vu_region){0, 4096, USER_0, huge - 4096}, file);
		refused_region((struct vu_region){0, 4096, USER_0, 0}, read_only);
	}
	close(read_only);
	close(file);
}

/* Each region can be mapped, but not all of them: nothing stays of the others */
static void test_set_mem_table_unmappable_together(void **state)
{
	const uint64_t big = UINT64_C(1) << 46; /* user space has 2^47 */
	struct vu_memory m = {.n_regions = 4};
	int file = memfd_create("huge", MFD_CLOEXEC), fds[4] = {file, file, file, file};

	(void)state;
	assert_int_equal(ftruncate(file, (off_t)big), 0);
	for (unsigned int i = 0; i < 4; i++)
		m.regions[i] = (struct vu_region){i * big, big, USER_0 + i * big, 0};
	for (unsigned int i = 0; i < 50; i++) {
		int fd = front_open(VM2);

		assert_int_equal(send_table(fd, &m, fds, 4), ERROR_REPLY);
		front_close(fd);
	}
	close(file);
}

/* Regions need not end where pages do */
static void test_set_mem_table_within_a_page(void **state)
{
	struct vu_memory m = {
		.n_regions = 2,
		.regions = {{0, 0x1800, USER_0, 0}, {0x1800, 0x1000, USER_1, REGION_SIZE}}};
	int fds[] = {mem_fd, mem_fd}, fd = front_open(VM2);

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(front_u64(fd, VU_SET_FEATURES, FEATURES), 0);
	assert_int_equal(send_table(fd, &m, fds, 2), 0);
	assert_true(iotlb_maps(guest(VM2)->dev.tlb, 0x17ff, IOTLB_WRITE));
	assert_true(iotlb_maps(guest(VM2)->dev.tlb, 0x1800, IOTLB_WRITE));
	assert_false(iotlb_maps(guest(VM2)->dev.tlb, 0x2800, IOTLB_READ));
}

/* Memory that needs more translations than are allowed: refused, not in part */
static void test_set_mem_table_over_the_bound(void **state)
{
	struct vu_memory m = {.n_regions = 1,
			      /* The IOVA's low bits fit no page: a fragment for each */
			      .regions = {{0x800, UINT64_C(64) << 20, USER_0, 0}}};
	int file = memfd_create("big", MFD_CLOEXEC), fd = front_open(VM2);

	(void)state;
	assert_int_equal(ftruncate(file, 64 << 20), 0);
	assert_int_equal(send_table(fd, &m, &file, 1), ERROR_REPLY);
	assert_true(front_alive(fd));
	close(file);
}

/* A guest whose front-end truncates its memory's file under the running rings */
static void truncated(void (*shrink)(int file), bool viommu)
{
	struct vu_memory m = {.n_regions = 2,
			      .regions = {{GPA_0, REGION_SIZE, USER_0, 0},
					  {GPA_1, REGION_SIZE, USER_1, REGION_SIZE}}};
	int file = memfd_create("short", MFD_CLOEXEC), fds[] = {file, file};
	int fd = front_open(VM1), other = front_open(VM2);

	thread_role_assume(&ctl_role);
	assert_int_equal(backing_start(), 0); /* within a test the signal is cmocka's */
	assert_int_equal(ftruncate(file, 2 * REGION_SIZE), 0);
	front_negotiate(fd, viommu ? FEATURES | VIOMMU : FEATURES);
	front_negotiate(other, FEATURES);
	assert_int_equal(send_table(fd, &m, fds, 2), 0);
	if (viommu)
		front_map(fd);
	front_ring(fd, 0, 0, viommu, -1);
	front_ring(fd, 1, 0, viommu, -1);
	front_ring(other, 1, 0, false, -1);
	for (unsigned int i = 0; i < 10; i++)
		serve();
	guest_check(guest(VM1));
	assert_true(front_alive(fd));

	shrink(file);
	SERVE_UNTIL(backing_lost(VM1));
	guest_check(guest(VM1));
	assert_true(front_ended(fd));
	assert_false(backing_lost(VM1));

	/* The other guest's packets go on, and this one may come again */
	guest_offer(1, 0, 20, false, false);
	SERVE_UNTIL(guest_used(1) == 20);
	guest_check(guest(VM2));
	assert_true(front_alive(other));
	front_negotiate(front_open(VM1), FEATURES);
	guest_check(guest(VM1));
	assert_non_null(guest(VM1)->dev.mem);
	close(file);
}

static void to_nothing(int file)
{
	assert_int_equal(ftruncate(file, 0), 0);
}

static void to_a_page(int file)
{
	assert_int_equal(ftruncate(file, 4096), 0);
}

static void test_backing_lost_truncated(void **state)
{
	truncated(to_nothing, false);
	fixture_check(state);
	truncated(to_nothing, true);
	fixture_check(state);
	truncated(to_a_page, true);
}

static void test_reset_owner(void **state)
{
	struct device *dev = &guest(VM1)->dev;
	int fd = front_open(VM1), call = eventfd(0, EFD_CLOEXEC);
	uint32_t session;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		session = dev->session;
		front_negotiate(fd, FEATURES);
		guest_offer(0, 0, 10, false, true);
		front_ring(fd, 0, 0, false, call);
		SERVE_UNTIL(guest_used(0) == 10);
		assert_int_equal(front_ask(fd, VU_RESET_OWNER, NULL, 0, NULL, 0), 0);
		assert_int_equal(dev->session, session + 1);
		assert_int_equal(dev->features, 0);
		assert_null(dev->mem);
		assert_false(dev->rings[0].running);
		assert_int_equal(dev->rings[0].kick, -1);
		assert_int_equal(dev->rings[0].call, -1);
		assert_int_equal(count_maps(MEM_NAME), 1);
		memset(mem, 0, REGION_SIZE);
	}
	close(call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATE_TEST(test_set_mem_table_maps),
		GATE_TEST(test_device_user_to_host_edges),
		GATE_TEST(test_set_mem_table_replaced_while_running),
		GATE_TEST(test_set_mem_table_other_file),
		GATE_TEST(test_set_mem_table_without_the_rings),
		GATE_TEST(test_set_mem_table_refused_silently),
		GATE_TEST(test_set_mem_table_count),
		GATE_TEST(test_set_mem_table_most_regions),
		GATE_TEST(test_set_mem_table_bad_region),
		GATE_TEST(test_set_mem_table_overlap),
		GATE_TEST(test_set_mem_table_no_file),
		GATE_TEST(test_set_mem_table_named_file),
		GATE_TEST(test_set_mem_table_other_file_system),
		GATE_TEST(test_set_mem_table_unmappable),
		GATE_TEST(test_set_mem_table_unmappable_together),
		GATE_TEST(test_set_mem_table_within_a_page),
		GATE_TEST(test_set_mem_table_over_the_bound),
		GATE_TEST(test_backing_lost_truncated),
		GATE_TEST(test_reset_owner),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
