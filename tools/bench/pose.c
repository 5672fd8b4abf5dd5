// Answers the CPUID instructions that pose.py replaced by UD2, without the features that a lesser processor lacks.
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define BIT(n) (1u << (n))

static int without_vnni;

// Leaf 7: AVX512 F, DQ, IFMA, PF, ER, CD, BW, VL; VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ; the rest of AVX512 and AMX.
static void hide_leaf_7(unsigned *b, unsigned *c, unsigned *d) {
  *b &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31));
  *c &= ~(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14));
  *d &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25));
}

// Leaf 7, second part: AVX512-BF16, AMX-FP16, AVX10; for AVX2 alone also AVX-VNNI, AVX-IFMA and their successors.
static void hide_leaf_7_1(unsigned *a, unsigned *d) {
  *a &= ~(BIT(5) | BIT(21));
  *d &= ~BIT(19);
  if (without_vnni) {
    *a &= ~(BIT(4) | BIT(23));
    *d &= ~(BIT(4) | BIT(5) | BIT(10));
  }
}

static void answer(int number, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  const unsigned char *code = (const unsigned char *)registers[REG_RIP];
  if (code[0] != 0x0f || code[1] != 0x0b) {
    signal(number, SIG_DFL);
    return;
  }
  unsigned leaf = (unsigned)registers[REG_RAX], part = (unsigned)registers[REG_RCX], a, b, c, d;
  __cpuid_count(leaf, part, a, b, c, d);
  if (leaf == 7 && part == 0) hide_leaf_7(&b, &c, &d);
  if (leaf == 7 && part == 1) hide_leaf_7_1(&a, &d);
  registers[REG_RAX] = a;
  registers[REG_RBX] = b;
  registers[REG_RCX] = c;
  registers[REG_RDX] = d;
  registers[REG_RIP] += 2;
  (void)info;
}

__attribute__((constructor)) static void pose(void) {
  const char *name = getenv("DFQSAM_POSE");
  if (!name) return;
  without_vnni = !strcmp(name, "avx2");
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = answer;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGILL, &action, 0);
}
