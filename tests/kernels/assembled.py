"""What LLVM makes of a kernel for a processor, also one that is not here."""

import llvmlite.binding as llvm
from llvmlite import ir


def assembly(make, triple, features):
    """The assembly of the functions that `make(module)` gives, each kept and none inlined."""
    module = ir.Module("blocks")
    module.triple = triple
    for made in make(module):
        made.linkage = ""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(
        opt=3, features=",".join(f"+{name}" for name in features)
    )
    parsed = llvm.parse_assembly(str(module))
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(parsed, builder)
    return machine.emit_assembly(parsed)
