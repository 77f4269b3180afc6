/* SPDX-License-Identifier: BSD-2-Clause */
/* The default operations, and those of the simulated back end (sim.c). */
#include "core_rig.h"

#include "backend/backend.h"

static int called;

static void own_stop(void *priv)
{
	called++;
}

static void test_defaults_answer_for_what_is_missing(void **state)
{
	struct iommu_ops ops = {.name = "mine"};
	struct device_ops dev = {.stop = own_stop};
	struct backend_space space = {.ops = &ops};

	iommu_ops_complete(&ops);
	device_ops_complete(&dev);
	assert_string_equal(ops.name, "mine");
	assert_int_equal(ops.map(&space, IOVA(4096), PHYS(4096), 4096, PT_READ), -EOPNOTSUPP);
	assert_non_null(strstr(error_text(), "mine"));
	assert_int_equal(ops.unmap(&space, IOVA(4096), 4096), 0);
	ops.invalidate(&space, IOVA(4096), 4096);
	ops.invalidate_all(&space);
	assert_true(dev.reg_read(NULL, 0, 0, 4) == ~0ull);
	dev.reg_write(NULL, 0, 0, 4, 1);
	assert_int_equal(dev.irq_vectors(NULL), 0);
	dev.stop(NULL);
	assert_int_equal(called, 1);
}

static void test_nothing_at_all(void **state)
{
	struct iommu_ops ops = {0};
	struct device_ops dev = {0};

	iommu_ops_complete(&ops);
	device_ops_complete(&dev);
	assert_memory_equal(&ops, &iommu_ops_default, sizeof(ops));
	assert_memory_equal(&dev, &device_ops_default, sizeof(dev));
	dev.stop(NULL);
}

static void test_sim_maps_walks_and_invalidates(void **state)
{
	const struct domain_config want = {.iommu = true, .any_32bit = true};
	struct device *dev = rig_open("sim,ram=64M", ~0ull);
	struct domain *dom = domain_get(&want);
	struct backend_space *s;
	struct port *p;

	assert_non_null(dom);
	s = &dom->space;
	p = port_get(&dom->ports);
	assert_string_equal(s->ops->name, "sim");
	assert_int_equal(s->ops->map(s, IOVA(0x10000), PHYS(0x20000), 0x2000, PT_READ), 0);
	assert_int_equal(s->ops->map(s, IOVA(0x11000), PHYS(0x20000), 0x1000, PT_READ), -EEXIST);
	assert_int_equal(pt_walk(&dom->pt, IOVA(0x11000)) & PT_ADDR, 0x21000);
	iotlb_fill(&p->tlb, 0x10, p->tlb.gen, 1);
	iotlb_fill(&p->tlb, 0x99, p->tlb.gen, 1);
	assert_int_equal(s->ops->unmap(s, IOVA(0x10000), 0x2000), 0x2000);
	s->ops->invalidate(s, IOVA(0x10000), 0x2000);
	assert_false(iotlb_lookup(&p->tlb, 0x10, p->tlb.gen));
	assert_int_equal(iotlb_lookup(&p->tlb, 0x99, p->tlb.gen), 1);
	s->ops->invalidate_all(s);
	assert_int_equal(iotlb_lookup(&p->tlb, 0x99, p->tlb.gen), 0);
	assert_int_equal(s->ops->unmap(s, IOVA(0x10000), 0x2000), 0);
	domain_put(dom);
	rig_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_answer_for_what_is_missing),
		cmocka_unit_test(test_nothing_at_all),
		cmocka_unit_test(test_sim_maps_walks_and_invalidates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
