"""The written-out network: names as NOTATION says, parameters replaced, checks kept."""

from __future__ import annotations

from collections.abc import Iterator

from convscope.notation import parse, tree, write_out


def walk(body: tree.Sequence) -> Iterator[tree.Item]:
    """Every item in reading order."""
    for item in body.items:
        yield item
        match item:
            case tree.Branches():
                for branch in item.branches:
                    yield from walk(branch)
            case tree.Regions():
                for part in item.parts:
                    yield from walk(part)
            case tree.Aux():
                yield from walk(item.body)
            case tree.Layer():
                pass


def names(text: str) -> str:
    return " ".join(item.name for item in walk(write_out(parse(text)).body))


def test_a_layer_is_called_by_its_kind_and_its_turn() -> None:
    assert names("conv 3 8, relu, bn, conv 3 8, relu") == "conv1 relu1 bn1 conv2 relu2"
    assert names("let b() = (relu, conv 3 8)\nb(), 2 * ( b() )") == "relu1 conv1 relu2 conv2 relu3 conv3"


def test_pooling_counts_together_and_global_pooling_under_its_own_name() -> None:
    assert names("maxpool 2, avgpool 2, gap, minpool 2, subsample 2, gmp") == "pool1 pool2 gap1 pool3 pool4 gmp1"


def test_add_and_concat_open_no_scope() -> None:
    assert names("conv 3 8, add( conv 3 8 | identity ), concat( conv 1 8 | add( relu | tanh ) )") == (
        "conv1 add1 conv2 identity1 concat1 conv3 add2 relu1 tanh1"
    )


def test_a_label_on_a_layer_is_its_name_and_changes_no_other() -> None:
    assert names("conv 3 8, stem: conv 3 8, conv 3 8") == "conv1 stem conv3"


def test_a_label_on_another_form_opens_a_scope() -> None:
    assert names("conv 3 8, a: ( conv 3 8, relu ), conv 3 8") == "conv1 a.conv1 a.relu1 conv2"
    assert names("let b() = (relu, x: tanh)\na: b(), c: b()") == "a.relu1 a.x c.relu1 c.x"
    assert names("a: add( conv 1 8 | identity ), add( relu | relu )") == "a a.conv1 a.identity1 add2 relu1 relu2"


def test_each_turn_of_a_labelled_repeat_is_a_scope() -> None:
    assert names("a: 2 * ( conv 3 8, b: relu )") == "a.1.conv1 a.1.b a.2.conv1 a.2.b"
    assert names("2 * ( conv 3 8 )") == "conv1 conv2"
    assert names("a: 0 * ( relu ), relu") == "relu1"
    assert names("a: 2 * ( b: 2 * ( relu ) )") == "a.1.b.1.relu1 a.1.b.2.relu1 a.2.b.1.relu1 a.2.b.2.relu1"


def test_aux_and_regions_open_a_scope_unasked() -> None:
    assert names("dense 8, aux ( dense ), aux ( dense ), head: aux ( dense ), dense") == (
        "dense1 aux1 aux1.dense1 aux2 aux2.dense1 head head.dense1 dense2"
    )
    assert names("regions 1x2 ( conv 3 8 ), a: regions 2x1 ( relu )") == (
        "regions1 regions1.1x1.conv1 regions1.1x2.conv1 a a.1x1.relu1 a.2x1.relu1"
    )


def test_parameters_are_replaced() -> None:
    text = """
        let b(k, c, s, p, n, d, i) = ( n * (conv k c /s pad=p groups=n dilation=d init=normal(i) l2=i), maxpool k )
        b(3, 8, 2x1, 1, 2, 2, 0.1)
    """
    conv, _, pool = write_out(parse(text)).body.items
    assert isinstance(conv, tree.Layer)
    assert isinstance(pool, tree.Layer)
    assert (conv.kernel, conv.units, conv.stride, conv.padding) == ((3, 3), 8, (2, 1), (1, 1))
    assert conv.options["groups"] == 2
    assert conv.options["dilation"] == (2, 2)
    assert conv.options["init"] == tree.Init("normal", 0.1)
    assert conv.options["bias_init"] == tree.Init("constant", 0.0)
    assert conv.options["l2"] == 0.1
    assert (pool.kernel, pool.stride) == ((3, 3), (3, 3))


def test_values_are_handed_on_through_pieces() -> None:
    text = "let a(c, n) = ( dense c, n * (relu) )\nlet b(n, c) = ( a(c, n), a(classes, 0) )\nb(2, 7)"
    body = write_out(parse(text)).body
    assert [(item.kind, getattr(item, "units", None)) for item in body.items] == [
        ("dense", 7),
        ("relu", None),
        ("relu", None),
        ("dense", "classes"),
    ]


def test_grids_and_weights_may_be_parameters() -> None:
    body = write_out(
        parse("let a(g, w) = ( regions g ( relu ), aux weight=w ( dense ), aux ( dense ) )\na(1x2, 1)")
    ).body
    regions, first, second = body.items
    assert isinstance(regions, tree.Regions)
    assert isinstance(first, tree.Aux)
    assert isinstance(second, tree.Aux)
    assert (regions.grid, len(regions.parts)) == ((1, 2), 2)
    assert (first.weight, second.weight) == (1.0, 0.3)


def test_checks_stand_after_the_items_they_follow() -> None:
    body = write_out(
        parse("relu -> 5, ( tanh, ( gelu, elu ) -> 3x3x4 ) -> 4x4x4, 2 * ( silu ) -> 7, add( relu | relu ) -> 9")
    ).body
    assert [item.expect for item in body.items] == [(5,), None, None, None, None, None, (9,)]
    assert [(at, shape) for at, shape, _ in body.expects] == [(4, (3, 3, 4)), (4, (4, 4, 4)), (6, (7,))]
    assert (body.expects[0][2].line, body.expects[0][2].column) == (1, 37)


def test_places_are_those_of_the_text() -> None:
    body = write_out(parse("conv 3 8,\n  relu")).body
    assert (body.items[1].place.line, body.items[1].place.column, body.items[1].place.length) == (2, 3, 4)
